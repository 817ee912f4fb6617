"""The command line, one subcommand per module. Each module offers `command`, a click command."""
