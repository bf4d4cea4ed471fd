"""What the binaries that ship may weigh, and how much they may do before their first event."""

import http.server
import io
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import zipfile
from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

FUNCTIONS = ["instance-terminating", "spot-interruption", "reconcile"]

# A zip is what a cold start downloads. 2.77 MB in November 2026.
ZIP_BYTES = 3_000_000
# From the start of the process to its first `/next`, as callgrind counts them, with the first words of a TLS handshake to
# ECS and one to Auto Scaling. 6.1 million in November 2026; entropy from the processor's jitter would be 340 more.
INIT_INSTRUCTIONS = 7_000_000

# callgrind takes fifty times as long as the function alone.
STARTS_WITHIN = 60


def are_kept(checks, workspace):
    for function in FUNCTIONS:
        binary = workspace / f"target/lambda/{function}/bootstrap"
        size = zipped(binary)
        checks.that(size <= ZIP_BYTES, f"{function} is {size:,} bytes zipped, of {ZIP_BYTES:,}")
        count = init_instructions(binary)
        checks.that(count <= INIT_INSTRUCTIONS, f"{function} starts with {count:,} instructions, of {INIT_INSTRUCTIONS:,}")
        print(f"    {function}: {size:,} bytes zipped, {count:,} instructions to its first event")


def zipped(binary):
    """Its size as SAM packs it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(binary, "bootstrap")
    return len(packed.getvalue())


def hang_up_on_hello(listener):
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connection.recv(1)
        connection.close()


def authority():
    """A certificate authority of its own, in PEM: those of this machine are more or fewer elsewhere."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "budgets")])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


def init_instructions(binary):
    """Instructions until it asks for its first event."""
    if not shutil.which("valgrind"):
        raise AssertionError("valgrind is not installed")
    asked = threading.Event()

    class RuntimeApi(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.set()
            # It gets none: it is stopped while it waits.
            threading.Event().wait(STARTS_WITHIN)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), RuntimeApi)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    aws = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=hang_up_on_hello, args=[aws], daemon=True).start()
    authorities = tempfile.NamedTemporaryFile(suffix=".pem")
    authorities.write(authority())
    authorities.flush()
    environment = {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}",
        "AWS_LAMBDA_FUNCTION_NAME": "function",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_LOG_GROUP_NAME": "group",
        "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
        "AWS_REGION": "us-west-2",
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "made-up",
        # It connects before its first event, and so far gets what it says first: random numbers, and keys.
        "AWS_ENDPOINT_URL": f"https://127.0.0.1:{aws.getsockname()[1]}",
        "SSL_CERT_FILE": authorities.name,
        "PATH": os.environ["PATH"],
    }
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", str(binary)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        if not asked.wait(STARTS_WITHIN):
            raise AssertionError(f"{binary.parent.name} does not start")
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=STARTS_WITHIN)
    finally:
        process.kill()
        server.shutdown()
        aws.close()
        authorities.close()
    counted = re.search(r"Collected : (\d+)", said)
    if not counted:
        raise AssertionError(f"callgrind: {said[-500:]}")
    return int(counted[1])
