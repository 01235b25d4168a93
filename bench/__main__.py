"""`python -m bench` (make bench): servers of its own, then every figure on standard output."""

import argparse
import functools

from bench.bed import own_servers
from bench.options import PARTS, Options
from bench.running import run


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rows", type=int, default=Options.rows, help="calls loaded before, each with its case")
    parser.add_argument("--count", type=int, default=Options.count, help="most requests of one measurement")
    parser.add_argument("--seconds", type=float, default=Options.seconds, help="and the longest it takes")
    parser.add_argument(
        "--import-rows", type=int, default=Options.import_rows, help="rows of the generated log; 0: no imports"
    )
    parser.add_argument("--people", type=int, default=Options.people, help="people whose names are searched; 0: none")
    parser.add_argument("--seed", type=int, default=Options.seed, help="of their names")
    parser.add_argument("--audit-entries", type=int, default=Options.audit_entries, help="sealed and verified; 0: none")
    parser.add_argument("--parts", type=_parts, default=PARTS, help=f"of {','.join(PARTS)}")
    options = Options(**vars(parser.parse_args()))
    with own_servers() as settings:
        run(settings, options, functools.partial(print, flush=True))


def _parts(text: str) -> tuple[str, ...]:
    named = tuple(text.split(","))
    if not set(named) <= set(PARTS):
        raise argparse.ArgumentTypeError(f"parts are {', '.join(PARTS)}")
    return named


if __name__ == "__main__":
    main()
