"""Regular expressions of filters: a safe common part of Java's, in time linear in the text.

Both engines get the same pattern: SQLite runs an automaton, OpenSearch the equal Lucene expression.
Left out on purpose: back references and look-around. Possessive and lazy marks are read and
ignored: they change nothing for a yes-or-no match.
"""
