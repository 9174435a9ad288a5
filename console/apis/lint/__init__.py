"""Rules for OpenAPI documents: as data, switched per team, with a score that says how to raise it."""

from .report import Advice, Finding, Outcome, Report
from .rules import Rule, RuleSet, Severity, all_rules
from .run import lint

__all__ = ["Advice", "Finding", "Outcome", "Report", "Rule", "RuleSet", "Severity", "all_rules", "lint"]
