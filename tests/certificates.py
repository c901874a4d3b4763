"""Certificates by openssl: an authority, and one certificate of it for many names."""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

NAMES = (
    "IP:127.0.0.1,DNS:localhost,DNS:runsignup.com,DNS:*.runsignup.com,DNS:*.s3.amazonaws.com,"
    "DNS:*.s3.us-east-1.amazonaws.com"
)
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files in PEM form."""

    authority: Path
    chain: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        """What a server of these names needs."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        return context


def make_certificates(folder: Path) -> Certificates:
    """Make them, valid for two days, with all that the strictest readers want: Python is one from 3.13 on."""
    made = Certificates(folder / "authority.pem", folder / "server.pem", folder / "server.key")
    authority_key = folder / "authority.key"
    _openssl("req", "-x509", *_NEW_KEY, "-days", "2", "-subj", "/CN=authority of these tests",
             "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", authority_key, "-out", made.authority)  # fmt: skip
    _openssl(
        "req", *_NEW_KEY, "-subj", "/CN=server of these tests", "-keyout", made.key, "-out", folder / "request.pem"
    )
    (folder / "extensions").write_text(
        f"subjectAltName={NAMES}\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n"
        "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    )
    _openssl("x509", "-req", "-in", folder / "request.pem", "-CA", made.authority, "-CAkey", authority_key,
             "-CAcreateserial", "-days", "2", "-extfile", folder / "extensions", "-out", made.chain)  # fmt: skip
    return made


def _openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)  # noqa: S607
