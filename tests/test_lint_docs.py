"""docs/lint.md is made from the rules: `python -m tests.test_lint_docs` writes it."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from console.apis.lint import Rule, all_rules
from console.apis.lint.functions import FUNCTIONS
from console.apis.lint.places import KINDS
from console.apis.lint.rules import DATA

PAGE = Path(__file__).parent.parent / "docs" / "lint.md"
BEGIN = "<!-- what follows is made from console/apis/lint/rules.yaml -->\n"


def described() -> str:
    groups = groupby(all_rules(), key=lambda rule: rule.group)
    rules = "\n".join(f"## {name}\n\n" + "\n".join(section(rule) for rule in of) for name, of in groups)
    functions = "\n".join(f"| `{name}` | {(make.__doc__ or '').strip()} |" for name, make in sorted(FUNCTIONS.items()))
    kinds = ", ".join(f"`@{kind}`" for kind in sorted({*KINDS, "reference"}))
    return f"{rules}\n## Assertions\n\n| Name | It holds when |\n| --- | --- |\n{functions}\n\n## Kinds of places\n\n{kinds}\n"


def section(rule: Rule) -> str:
    places = ", ".join(f"`{place}`" for place in rule.places)
    head = f"### {rule.name}\n\n{rule.severity.title()}, {rule.points:g} {'point' if rule.points == 1 else 'points'}, at {places}."
    return f"{head} {rule.why}\n\nFound:\n\n```yaml\n{rule.bad}```\n\nWanted:\n\n```yaml\n{rule.good}```\n"


def test_the_page_of_rules_is_what_the_rules_say() -> None:
    assert PAGE.read_text().partition(BEGIN)[2] == described(), "run `python -m tests.test_lint_docs`"


def test_every_assertion_says_what_it_is() -> None:
    assert all((make.__doc__ or "").strip().endswith(".") for make in FUNCTIONS.values())
    assert {rule.check[0] for rule in all_rules()} <= FUNCTIONS.keys()
    assert DATA.read_text().startswith("# ")


if __name__ == "__main__":
    PAGE.write_text(PAGE.read_text().partition(BEGIN)[0] + BEGIN + described())
