# The sandbox of every pod.
FROM scratch
COPY pause /pause
ENTRYPOINT ["/pause"]
