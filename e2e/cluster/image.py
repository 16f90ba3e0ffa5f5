#!/usr/bin/env python3
"""Writes an image archive (OCI layout with docker's manifest.json) of one layer: a static binary and a few files.

Same input, same bytes. Used by image.sh, which has the arguments' meaning.
"""
import argparse
import hashlib
import io
import json
import os
import shlex
import tarfile


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("name", help="name:tag")
    parser.add_argument("--output", required=True)
    parser.add_argument("--as", dest="path", help="where the binary lies in the image; /NAME unless told")
    parser.add_argument("--entrypoint", type=shlex.split, help="the binary unless told")
    parser.add_argument("--cmd", type=shlex.split, default=[])
    parser.add_argument("--user", default="65532:65532")
    parser.add_argument("--file", action="append", default=[], metavar="SOURCE:PATH")
    parser.add_argument("--link", action="append", default=[], metavar="TARGET:PATH")
    parser.add_argument("--also", action="append", default=[], metavar="NAME:TAG", help="another name")
    return parser.parse_args()


def full_name(name):
    """containerd's way: a name without a host is one of docker.io's, and of its library when it has no folder."""
    first, _, rest = name.partition("/")
    if rest and ("." in first or ":" in first or first == "localhost"):
        return name
    return f"docker.io/{name}" if rest else f"docker.io/library/{name}"


class Layer:
    def __init__(self):
        self.buffer = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.buffer, mode="w", format=tarfile.PAX_FORMAT)
        self.folders = set()

    def entry(self, path, kind, mode, data=b"", target=""):
        path = path.strip("/")
        parent = os.path.dirname(path)
        if parent and parent not in self.folders:
            self.folder(parent, 0o755)
        info = tarfile.TarInfo(path)
        info.type, info.mode, info.size, info.linkname = kind, mode, len(data), target
        self.tar.addfile(info, io.BytesIO(data))

    def folder(self, path, mode):
        self.entry(path, tarfile.DIRTYPE, mode)
        self.folders.add(path.strip("/"))

    def file(self, path, data, mode):
        self.entry(path, tarfile.REGTYPE, mode, data)

    def bytes(self):
        self.tar.close()
        return self.buffer.getvalue()


def layer(options, path):
    made = Layer()
    made.folder("tmp", 0o1777)
    made.file("etc/passwd", b"root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n", 0o644)
    made.file("etc/group", b"root:x:0:\nnonroot:x:65532:\n", 0o644)
    for source, target in [(options.binary, path)] + [pair.rsplit(":", 1) for pair in options.file]:
        with open(source, "rb") as opened:
            made.file(target, opened.read(), 0o755 if os.access(source, os.X_OK) else 0o644)
    for pair in options.link:
        target, link = pair.rsplit(":", 1)
        made.entry(link, tarfile.SYMTYPE, 0o777, target=target)
    return made.bytes()


def main():
    options = arguments()
    path = options.path or "/" + os.path.basename(options.binary)
    blobs = {}

    def blob(data, media_type):
        digest = hashlib.sha256(data).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = data
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    root = blob(layer(options, path), "application/vnd.oci.image.layer.v1.tar")
    config = blob(json.dumps({
        "architecture": "amd64", "os": "linux", "created": "1970-01-01T00:00:00Z",
        "config": {"User": options.user, "Entrypoint": options.entrypoint or [path], "Cmd": options.cmd, "WorkingDir": "/",
                   "Env": ["PATH=/usr/local/bin:/usr/bin:/bin:/"]},
        "rootfs": {"type": "layers", "diff_ids": [root["digest"]]},
    }).encode(), "application/vnd.oci.image.config.v1+json")
    manifest = blob(json.dumps({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": [root],
    }).encode(), "application/vnd.oci.image.manifest.v1+json")
    names = [full_name(name) for name in [options.name] + options.also]
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [
        {**manifest, "annotations": {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rsplit(":", 1)[1]}}
        for name in names]}
    inside = lambda part: "blobs/sha256/" + part["digest"].split(":")[1]
    for_docker = [{"Config": inside(config), "RepoTags": names, "Layers": [inside(root)]}]

    with tarfile.open(options.output, "w") as archive:
        def add(name, data):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            archive.addfile(info, io.BytesIO(data))

        add("oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        for name, data in blobs.items():
            add(name, data)
        add("index.json", json.dumps(index).encode())
        add("manifest.json", json.dumps(for_docker).encode())


if __name__ == "__main__":
    main()
