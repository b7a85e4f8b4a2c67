import sys

print("hello from python: " + "|".join(sys.argv[1:]))
