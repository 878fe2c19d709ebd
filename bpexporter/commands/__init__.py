"""The command line: parse, call, exit code.

May touch: everything below.
"""
