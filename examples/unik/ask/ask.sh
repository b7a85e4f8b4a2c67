# Asks the user's instance HOST for its note, once it answers. Not every busybox knows names outside of nslookup.
address() {
  nslookup "$HOST" 2>/dev/null | sed -n '/^Name/,$s/^Address[^:]*: *//p' | head -n 1
}
until wget -q -O - "http://$(address):8080/note.txt" 2>/dev/null; do
  sleep 0.2
done
