"""One module for each tool that poses are sent on to: its flags, and how its bridge is opened."""
