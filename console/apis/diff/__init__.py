"""What changed between two OpenAPI documents, in words, and whom it can break.

A request may be refused that was taken before (contravariant), a response may hold what was never there before (covariant):
so each schema is compared for the direction in which it travels. Pure: no database, no Flask, nothing is fetched.
"""

from .changes import Change, Comparison, Severity
from .compare import compare
from .rules import RULES

__all__ = ["RULES", "Change", "Comparison", "Severity", "compare"]
