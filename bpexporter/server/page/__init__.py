"""The live page: its files, and the answers that it asks for. It only reads.

May touch: what the server is made of.
"""
