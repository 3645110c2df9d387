"""The machines by name, each under a condition of its own, and how long one may take to a boot."""

NAMES = ["stamp", "clock", "wanted"]
BOOT = 900  # seconds at most; about 30 on a quiet machine
