# SPDX-License-Identifier: Apache-2.0
"""TLS certificates for servers and clients, by openssl(1)."""

import os
import ssl
import subprocess

EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
RSA = ("-newkey", "rsa:2048")


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


class Authority:
    """A CA that signs server and client certificates; all files are in `directory`. Without a parent it is self-signed."""

    def __init__(self, directory, name="ca", parent=None):
        self.directory, self.name = directory, name
        self.pem, self.key = (os.path.join(directory, f"{name}.{end}") for end in ("pem", "key"))
        if parent:
            parent.sign(name, f"DNS:{name}", more="basicConstraints=critical,CA:TRUE\n")
        else:
            openssl("req", "-x509", *EC, "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign",
                    "-keyout", self.key, "-out", self.pem)

    def sign(self, name, names, key_type=EC, more=""):
        """Paths of a certificate with these subject alternative names, and of its key."""
        key, request, pem, extensions = (os.path.join(self.directory, f"{name}.{end}") for end in ("key", "csr", "pem", "ext"))
        with open(extensions, "w", encoding="ascii") as file:
            file.write(f"subjectAltName={names}\nauthorityKeyIdentifier=keyid\n{more}")
        openssl("req", *key_type, "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.pem, "-CAkey", self.key, "-CAcreateserial", "-days", "2",
                "-extfile", extensions, "-out", pem)
        return pem, key

    def server(self, names, clients=False):
        """An ssl context for a server; with `clients` it requires a client certificate of this CA."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.sign("server", names))
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.pem)
        return context
