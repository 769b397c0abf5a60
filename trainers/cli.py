"""Parse `trainers COMMAND` and run the module that answers it.

Exit codes: 0 done, 2 something the user can mend (one line says what), 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

from realtime.calibration.errors import CalibrationError
from realtime.cluster.ray_tasks import ClusterError
from realtime.detect.native_library import mark_command
from realtime.recording.file_format import RecordingError
from trainers.errors import UserError

COMMANDS = {
    "prepare": ("trainers.data.prepare", "raw or public motion capture -> training folders"),
    "synthesize": (
        "trainers.synthesis.command",
        "run the real detector on rendered people or pasted occluders -> training data",
    ),
    "train": ("trainers.training.train", "train a recipe, such as causal-small -> a checkpoint"),
    "bench": ("trainers.training.bench", "training speed of every recipe on this machine, steps and windows a second"),
    "streaming": (
        "trainers.evaluation.streaming_cost",
        "cost of a streamed step, beside recomputing its window and torch",
    ),
    "ablate": ("trainers.training.ablation", "ablation: variants of a config in equal steps -> one table"),
    "reproduce": ("trainers.evaluation.reproduce", "a paper's protocol on Human3.6M: train, test, table"),
    "evaluate": ("trainers.evaluation.evaluate", "a checkpoint or an exported network -> table, plot, JSON"),
    "triangulate": (
        "trainers.evaluation.views.triangulate_films",
        "films of calibrated cameras -> triangulated reference joints",
    ),
    "hidden-error": ("trainers.evaluation.hidden_error", "errors of hidden keypoints, real and simulated detector"),
    "compare": ("trainers.evaluation.compare", "lifters side by side on the same clips: which one to use"),
    "export": ("trainers.deploy.export", "a checkpoint -> ONNX, manifest, golden sequence, card"),
    "show": ("trainers.evaluation.show", "a clip and its virtual views as a picture"),
    "steadiness": (
        "trainers.evaluation.temporal_consistency",
        "reference-free quality of a recording: bone-length variation, jitter, flips",
    ),
    "refine": ("trainers.refinement.refine", "optimise a recording's poses against its keypoints"),
    "weigh": ("trainers.evaluation.weighting_ablation", "ablation of keypoint weighting in that optimisation"),
}


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] not in COMMANDS:
        return usage(argv)
    module, about = COMMANDS[argv[0]]
    mark_command()
    try:
        command = import_module(module)
        parser = argparse.ArgumentParser(prog=f"trainers {argv[0]}", description=about)
        command.add_arguments(parser)
        return int(command.main(parser.parse_args(argv[1:])) or 0)
    except (UserError, CalibrationError, ClusterError, RecordingError) as error:
        print(f"trainers {argv[0]}: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        return not_installed(argv[0], error)
    except KeyboardInterrupt:
        return 130


def usage(argv: list[str]) -> int:
    lines = "\n".join(f"  {name:<11} {about}" for name, (_, about) in COMMANDS.items())
    asked = not argv or argv[0] in ("-h", "--help")
    if not asked:
        print(f"trainers: {argv[0]!r} is no command; expected one of {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    print(f"usage: trainers COMMAND ... (trainers COMMAND --help says more)\n\n{lines}")
    return 0 if argv else 2


def not_installed(command: str, error: ModuleNotFoundError) -> int:
    """Name the missing extra, exit code 2; a missing module of ours is a bug and keeps its traceback."""
    if (error.name or "").split(".")[0] in ("trainers", "realtime", "engines"):
        raise error
    print(f"trainers {command}: needs {error.name}; pip install 'steadypose[train]'", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
