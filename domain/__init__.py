"""The heart: flow language, expressions and the execution step. Values in, values out."""
