"""One file per command of `realtime`; each offers `add_arguments(parser)` and `main(args) -> exit code`."""
