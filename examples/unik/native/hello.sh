IFS='|'
echo "hello from native: $*"
