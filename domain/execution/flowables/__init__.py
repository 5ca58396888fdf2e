"""The flowables: each file says how one of them opens, what it runs next, and how it ends."""
