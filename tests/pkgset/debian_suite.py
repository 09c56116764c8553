"""One architecture of a Debian suite: its signed package list, its dependencies, its files."""

import os
import re
import subprocess
import sys

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
DOWNLOADS_PER_CALL = 150


def find_mirror(suite):
    """The mirror that this machine's own apt sources name for the suite; else for any Debian main."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--no-release-info", "--format",
         "$(RELEASE) $(COMPONENT) $(REPO_URI)", "Created-By: Packages"],
        capture_output=True, text=True, check=True).stdout
    targets = [line.split(" ", 2) for line in listed.splitlines()]
    main = [(release, uri) for release, component, uri in targets
            if component == "main" and not release.endswith("-security")]
    for _, uri in sorted(main, key=lambda target: target[0] != suite):
        return uri.rstrip("/")
    sys.exit(f"apt's sources name no '{suite} main': give --mirror URL")


class DebianSuite:
    """A suite's Packages list, checked by apt against Debian's signature, and the .debs it names."""

    def __init__(self, cache, mirror, suite, architecture, offline):
        self.cache = cache
        self.mirror = mirror
        self._directory = f"{cache}/apt-{suite}-{architecture}"
        os.makedirs(f"{cache}/debs", exist_ok=True)
        if not offline:
            self._update(suite, architecture)
        self.packages = {}
        self._provided = {}
        self._read_lists()
        if not self.packages:
            sys.exit(f"no package list for {suite}/{architecture} in {cache}")

    def _update(self, suite, architecture):
        directory = self._directory
        for folder in ("lists/partial", "cache/archives/partial"):
            os.makedirs(f"{directory}/{folder}", exist_ok=True)
        with open(f"{directory}/status", "w", encoding="utf-8"):
            pass  # apt wants the file: nothing counts as installed
        with open(f"{directory}/sources.list", "w", encoding="utf-8") as sources:
            sources.write(f"deb [arch={architecture} signed-by={KEYRING}] {self.mirror} {suite} main\n")
        options = [
            f"Dir::Etc::sourcelist={directory}/sources.list", "Dir::Etc::sourceparts=-",
            "Dir::Etc::preferencesparts=-", f"Dir::State::lists={directory}/lists",
            f"Dir::State::status={directory}/status", f"Dir::Cache={directory}/cache",
            f"APT::Architecture={architecture}", f"APT::Architectures::={architecture}",
            "Acquire::GzipIndexes=false", "Acquire::Languages=none", "Acquire::Retries=3",
            "Acquire::Check-Valid-Until=false",  # a mirror may be a snapshot, whose signature still counts
            "APT::Sandbox::User=root"]
        arguments = [word for option in options for word in ("-o", option)]
        subprocess.run(["apt-get", *arguments, "update", "-qq"], check=True)

    def _read_lists(self):
        lists = f"{self._directory}/lists"
        names = sorted(os.listdir(lists)) if os.path.isdir(lists) else []
        for name in (name for name in names if name.endswith("_Packages")):
            with open(f"{lists}/{name}", encoding="utf-8") as file:
                for paragraph in file.read().split("\n\n"):
                    self._add(dict(re.findall(r"^([\w-]+): ?(.*(?:\n[ \t].*)*)", paragraph, re.M)))

    def _add(self, fields):
        if "Package" not in fields:
            return
        self.packages.setdefault(fields["Package"], fields)
        for provided in re.split(r",\s*", fields.get("Provides", "")):
            if provided:
                self._provided.setdefault(provided.split()[0], []).append(fields["Package"])

    def depends(self, package, drop):
        """The packages that `package` needs: of each clause the first alternative that exists.

        A clause whose first known alternative is in `drop` gives none.
        """
        found = []
        for field in ("Pre-Depends", "Depends"):
            text = self.packages[package].get(field, "").replace("\n", " ")
            for clause in re.split(r",\s*", text):
                names = [re.sub(r"[\s(:].*", "", word.strip()) for word in clause.split("|")]
                chosen = self._first_existing([name for name in names if name], drop)
                if chosen:
                    found.append(chosen)
        return found

    def _first_existing(self, alternatives, drop):
        for name in alternatives:
            if name in drop:
                return None
            if name in self.packages:
                return name
            if name in self._provided:
                return sorted(self._provided[name])[0]
        return None

    def fetch(self, names):
        """Downloads into CACHE/debs what it lacks; apt checks the hashes.

        Returns {package: {"deb", "file", "sha256", "version"}}.
        """
        files, wanted = {}, []
        for name in names:
            fields = self.packages[name]
            file = os.path.basename(fields["Filename"])
            files[name] = {"deb": name, "file": file, "sha256": fields["SHA256"],
                           "version": fields["Version"]}
            target = f"{self.cache}/debs/{file}"
            if not os.path.exists(target):
                wanted.append([f"{self.mirror}/{fields['Filename']}", target,
                               f"SHA256:{fields['SHA256']}"])
        for start in range(0, len(wanted), DOWNLOADS_PER_CALL):
            words = [word for item in wanted[start:start + DOWNLOADS_PER_CALL] for word in item]
            subprocess.run(["/usr/lib/apt/apt-helper", "-qq", "-o", "APT::Sandbox::User=root",
                            "-o", "Acquire::Retries=3", "download-file", *words], check=True)
        return files
