"""Prints how many tests a JUnit report counts, as `N passed, M failed, K skipped`; fails when none ran."""

import sys
import xml.etree.ElementTree as ET


def main(report: str) -> None:
    try:
        suites = list(ET.parse(report).iter("testsuite"))  # noqa: S314 our own pytest wrote it
    except (OSError, ET.ParseError) as error:
        sys.exit(f"no test report: {error}")

    def count(*kinds: str) -> int:
        return sum(int(suite.get(kind, "0")) for suite in suites for kind in kinds)

    failed, skipped = count("failures", "errors"), count("skipped")
    passed = count("tests") - failed - skipped
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    if failed or not passed:
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1])
