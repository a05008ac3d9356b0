# A shell inside the cluster, for tests that look from a pod's place.
FROM scratch
COPY busybox /bin/busybox
ENV PATH=/bin
ENTRYPOINT ["/bin/busybox"]
