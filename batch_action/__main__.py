"""Run the command line as `python -m batch_action`."""

from batch_action.cli.main import main

if __name__ == "__main__":
    main()
