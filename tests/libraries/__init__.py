"""Test suites of well-known asyncio libraries, run with everything watched and without."""
