"""An image that this node never made starts lazily by the record of another Stowage, which may be down, lie or be a stranger."""

import hashlib
import json
import os
import shutil
import time
import urllib.error
import urllib.request

from central_stowage import USER, CentralStowage
from commands import expect, expect_equal, expect_in, run, wait_until
from lazy_image import LazyImage

BULK_MIB = 48
RATE = 12 << 20  # bytes per second
MADE = {"bulk": BULK_MIB, "other": 1, "liar": 1, "sized": 1, "renamed": 1, "down": 1, "refused": 1, "stranger": 1, "unknown": 1}
BOTH = ("busybox", "hello")  # of each image
OTHER_DIGEST = "sha256:" + "5" * 64


def main(case):
    image = LazyImage(case, ["bulk", *BOTH], MADE, "fuse", RATE)
    settings = image.node.config["nix"]["settings"]
    image.paths = {name: image.build(name) for name in (*MADE, *BOTH, "cacert", "iana-etc")}
    image.cache.add(*image.paths.values())
    central = CentralStowage(case, image.package_set, settings)
    ids = {name: central.make(_name(name)) for name in ("other", "liar", "sized", "renamed")}
    ids["bulk"] = central.make(image.name)
    image.collect()
    _configure(image.node, central)
    image.node.start()

    _starts_before_it_is_there(image, central, ids["bulk"])
    _is_this_nodes_own_then(case, image, ids["bulk"])
    _record_is_kept(image, central)
    _other_contents(image, central)
    _wrong_diff_id(image, central, ids["liar"])
    _wrong_closure(image, central)
    _fetched_whole(image, central)
    central.close()
    expect_in("fetched whole: get https://", _pull(image, "down").stderr, "pull with the record source down")
    image.cache.close()


def _name(package):
    return "nix/" + "/".join(sorted((package, *BOTH)))


def _pull(image, package, *flags):
    return image.node.stowage("pull", *(flags or ["--lazy"]), _name(package), seconds=120)


def _configure(node, central):
    ca_file, credentials = f"{node.directory}/ca.pem", f"{node.directory}/credentials"
    shutil.copy(central.ca_file, ca_file)
    with open(credentials, "w", encoding="utf-8") as file:
        file.write(f"{USER}\n")
    os.chmod(credentials, 0o600)
    node.config["images"].update(record_source=central.url, record_ca_file=ca_file, record_credentials_file=credentials)
    node.write_config()


def _starts_before_it_is_there(image, central, image_id):
    image.cache.hold_back(image.paths["bulk"])
    served, begin = image.cache.served_bytes, time.monotonic()
    pulled = image.node.stowage("pull", "--lazy", image.name)
    expect_in("store paths come when they are needed", pulled.stdout, "what pull says")
    expect("fetched whole" not in pulled.stderr, f"pull: {pulled.stderr}")
    said = image.node.run_container(image.reference, "first", "hello", seconds=60).stdout
    print(f"lazy pull and start of an image of {BULK_MIB} MiB that was never here: {time.monotonic() - begin:.1f} s, "
          f"{image.cache.served_bytes - served} bytes")
    expect_equal(said, "Hello, world!\n", "the first container")
    expect(not os.path.exists(image.paths["bulk"]), "the start waited for what the command does not need")
    expect_equal(image.node.image_config_digest(image.reference), image_id, "image ID")
    expect(len([path for path in central.requests if "/manifests/" in path]) == 1, f"requests: {central.requests}")
    _serves_what_was_hashed_here(image)


def _serves_what_was_hashed_here(image):
    """And nothing else. Layers that are whole are hashed meanwhile."""
    manifest = json.loads(image.node.ctr("content", "get", _manifest_digest(image)).stdout)
    layers = [layer["digest"] for layer in manifest["layers"][:-1]]
    wait_until(lambda: set(layers) - _to_hash(image.node), 60, "a layer that was hashed here")
    before = _to_hash(image.node)
    answers = {layer: _status(image.node, f"{image.name}/blobs/{layer}") for layer in layers}
    after = _to_hash(image.node)
    expect(after, "every layer was hashed, also that of what is held back")
    expect_equal({answers[layer] for layer in layers if layer in after}, {503}, "answers to GETs of layers")
    expect_equal({answers[layer] for layer in layers if layer not in before}, {200}, "answers to GETs of hashed layers")


def _manifest_digest(image):
    lines = image.node.ctr("images", "list").stdout.splitlines()
    return next(line.split()[2] for line in lines if line.split()[0] == image.reference)


def _status(node, target):
    try:
        with urllib.request.urlopen(f"http://{node.registry}/v2/{target}", timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def _is_this_nodes_own_then(case, image, image_id):
    """Whole, its layers are hashed, and it is served like any other."""
    image.cache.release(image.paths["bulk"])
    wait_until(lambda: not _to_hash(image.node), 60, "layers that were hashed here")
    with open(f"{case.logs}/{image.node.name}-stowaged", encoding="utf-8") as file:
        expect_in("layer_record_confirmed", file.read(), "the log")
    copy = f"{case.scratch}/copy"
    run(["skopeo", "copy", "--src-tls-verify=false", f"docker://{image.node.registry}/{image.reference}", f"dir:{copy}"])
    with open(f"{copy}/manifest.json", encoding="utf-8") as file:
        expect_equal(json.load(file)["config"]["digest"], image_id, "image ID of the copy")


def _to_hash(node):
    """Layers of which there is only another Stowage's word."""
    return set(run(["sqlite3", f"{node.state}/stowage.db", "SELECT diff_id FROM layers WHERE recorded_by != ''"]).stdout.split())


def _record_is_kept(image, central):
    """The second time nobody is asked."""
    image.forget()
    central.requests.clear()
    pulled = image.node.stowage("pull", "--lazy", image.name)
    expect_in("store paths come when they are needed", pulled.stdout, "what the second pull says")
    expect_equal(central.requests, [], "requests to the record source for a known image")


def _other_contents(image, central):
    """A path that comes with another narHash than recorded is an I/O error, and nothing else is."""
    path = image.paths["other"]
    central.lie(_name("other"), lambda _manifest, _config, closure: _path(closure, path).update(narHash=OTHER_DIGEST))
    expect("fetched whole" not in _pull(image, "other").stderr, "an image with a wrong narHash was fetched whole")
    reference = f"{_name('other')}:latest"
    image.node.ctr("run", "--detach", "--snapshotter", "stowage", reference, "other", "busybox", "sleep", "1000")
    status, error = image.execute("other", "reader", "busybox", "cat", "/share/lazy/other")
    expect(status != 0 and "Input/output error" in error, f"reading what has another narHash: {status} {error}")
    expect_equal(image.execute("other", "beside", "hello"), (0, "Hello, world!\n"), "another program beside it")
    failures = [line for line in image.node.stowage("status").stdout.splitlines() if line.startswith("Not fetched")]
    expect(any(path in line and "narHash" in line for line in failures), f"stowage status: {failures}")


def _path(closure, store_path):
    return next(path for path in closure["paths"] if path["name"] == os.path.basename(store_path))


def _wrong_diff_id(image, central, image_id):
    """Found when the layer is whole; then the image is forgotten, and made anew when it is pulled whole."""
    def change(manifest, config, closure):
        index = closure["paths"].index(_path(closure, image.paths["liar"]))
        layer = next(number for number, members in enumerate(closure["layers"]) if index in members)
        manifest["layers"][layer]["digest"] = config["rootfs"]["diff_ids"][layer] = OTHER_DIGEST
    central.lie(_name("liar"), change)
    expect("fetched whole" not in _pull(image, "liar").stderr, "an image with a wrong diff_id was fetched whole")
    reference = f"{_name('liar')}:latest"
    expect(image.node.image_config_digest(reference) != image_id, "the lie was not believed at first")
    status = wait_until(lambda: [line for line in image.node.stowage("status").stdout.splitlines()
                                 if line.startswith("Wrong record")], 60, "a wrong record in stowage status")
    expect_in(OTHER_DIGEST, status[0], "stowage status")
    expect(image.node.stowage("inspect", reference, check=False).returncode != 0, "the image was not forgotten")
    _pull(image, "liar", "--no-lazy")
    expect_equal(image.node.image_config_digest(reference), image_id, "image ID after a whole pull")


def _wrong_closure(image, central):
    """What no layer shows is found when the image is made of its store paths; until then nobody else gets it."""
    name = _name("sized")
    honest = central.get(f"/v2/{name}/manifests/latest")
    central.lie(name, lambda _manifest, _config, closure: _path(closure, image.paths["sized"]).update(narSize=7))
    expect("fetched whole" not in _pull(image, "sized").stderr, "an image with a wrong size was fetched whole")
    believed = hashlib.sha256(central.lies[f"/v2/{name}/manifests/latest"]).hexdigest()
    expect_equal(_status(image.node, f"{name}/manifests/sha256:{believed}"), 404, "answer to a GET of what is believed only")
    wait_until(lambda: "/sized: " not in image.node.stowage("status").stdout, 60, "a whole image")
    _pull(image, "sized", "--no-lazy")
    served = run(["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{image.node.registry}/{name}"]).stdout
    expect_equal(served, honest.decode(), "the manifest that is served")
    records = [line for line in image.node.stowage("status").stdout.splitlines() if line.startswith("Wrong record")]
    expect(any(believed in line for line in records), f"stowage status: {records}")


def _fetched_whole(image, central):
    """What is no record of this node's image has the image fetched whole, with the reason."""
    def rename(_manifest, _config, closure):
        path = _path(closure, image.paths["renamed"])
        path["name"] = f"{path['name'][:-1]}x"
    central.lie(_name("renamed"), rename)
    expect_in(image.paths["renamed"], _expect_whole(image, "renamed"), "what pull says about other output paths")
    central.lies[f"/v2/{_name('unknown')}/manifests/latest"] = None
    expect_in("(404)", _expect_whole(image, "unknown"), "what pull says of an image that nobody knows")
    with open(f"{image.node.directory}/credentials", "w", encoding="utf-8") as file:
        file.write("node:wrong\n")
    expect_in("refuses the credentials (401)", _expect_whole(image, "refused"), "what pull says with wrong credentials")
    shutil.copy(central.other_ca_file, f"{image.node.directory}/ca.pem")
    expect_in("certificate", _expect_whole(image, "stranger"), "what pull says of another certificate authority")


def _expect_whole(image, package):
    pulled = _pull(image, package)
    expect_in("fetched whole: ", pulled.stderr, f"what pull says about {package}")
    expect("Promised" not in pulled.stdout, f"{package} was not fetched whole: {pulled.stdout}")
    said = image.node.run_container(f"{_name(package)}:latest", package, "busybox", "cat", f"/share/lazy/{package}").stdout
    expect_equal(said, f"{package}\n", f"a container of {package}")
    return pulled.stderr
