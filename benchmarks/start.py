"""How long the command line takes to start, as a ratio of CPU times; see tests/harness/start.py."""

from tests.harness.start import COMPLETIONS, STARTS, completion_variables, ratio_to_floor


def main() -> None:
    for argv, limit in STARTS.items():
        print(f"{' '.join(argv):20} {ratio_to_floor([*argv]):.2f} of at most {limit:g}")
    for line, limit in COMPLETIONS.items():
        ratio = ratio_to_floor([], completion_variables(line))
        print(f"{f'completion: {line}':20} {ratio:.2f} of at most {limit:g}")


if __name__ == "__main__":
    main()
