#!/bin/sh
# A wall that cannot be uploaded to may be meant so (a read-only mount): say it, and go on.
if [ ! -w /images ]; then
    echo "/images is not writable for $(id -u):$(id -g): uploads will fail" >&2
fi
