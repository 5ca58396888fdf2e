# make run | test | check | bench: see README.md
