"""``bpexporter top``: the live view in a terminal.

May touch: everything below; `textual`, in `screen` alone, which is an extra.
"""
