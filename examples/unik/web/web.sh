# Serves what is in /data until it is stopped. The first process of a container is not ended by SIGTERM unless it says so.
trap 'exit 0' TERM
httpd -f -p 8080 -h /data &
wait
