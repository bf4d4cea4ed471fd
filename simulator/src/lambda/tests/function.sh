#!/bin/bash
# A function for tests: does what the event says, over the real Runtime API.
base=/2018-06-01/runtime

call() { # method, path, body
    exec 3<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API/:/\/}" || exit 9
    printf '%s %s HTTP/1.1\r\nHost: runtime\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s' "$1" "$2" "${#3}" "$3" >&3
    cat <&3
    exec 3>&-
}

case "$INIT" in
error) call POST "$base/init/error" '{"errorType":"Configuration","errorMessage":"DRAIN_TIMEOUT_SECONDS"}' >/dev/null; exit 1 ;;
exit) exit 3 ;;
esac

handled=0
while :; do
    next=$(call GET "$base/invocation/next" "" | tr -d '\r')
    id=$(sed -n 's/^lambda-runtime-aws-request-id: //p' <<<"$next")
    event=${next##*$'\n'}
    handled=$((handled + 1))
    case "$event" in
    *'"exit"'*) exit 7 ;;
    *'"sleep"'*) exec sleep 60 ;;
    *'"fail"'*) call POST "$base/invocation/$id/error" '{"errorType":"Unreadable","errorMessage":"no such event"}' >/dev/null ;;
    *'"variables"'*) call POST "$base/invocation/$id/response" "{\"region\":\"$AWS_REGION\",\"mine\":\"$MINE\",\"home\":\"$HOME\"}" >/dev/null ;;
    *'"headers"'*) call POST "$base/invocation/$id/response" "{\"arn\":\"$(sed -n 's/^lambda-runtime-invoked-function-arn: //p' <<<"$next")\"}" >/dev/null ;;
    *)
        echo "to stdout $handled"
        echo "to stderr $handled" >&2
        call POST "$base/invocation/$id/response" "{\"handled\":$handled}" >/dev/null
        ;;
    esac
done
