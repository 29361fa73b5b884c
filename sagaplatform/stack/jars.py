"""Kafka's jars: fetched through jgo into the ordinary Maven cache, accepted by digest only.

kafka.lock holds a line per jar, `group:artifact:version sha256`, and no address: where jars come
from is the matter of each machine's Maven configuration.
"""

import hashlib
import importlib
import logging
import os
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagaplatform.stack.errors import JarChanged, JarUnavailable

KAFKA = "4.3.1"
BROKER = f"org.apache.kafka:kafka_2.13:{KAFKA}"
LOGGING = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4"  # so that Kafka writes a log
CERTIFICATES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
LOCK = Path(__file__).with_name("kafka.lock")


@dataclass(frozen=True)
class Jar:
    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def coordinate(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"

    def path_in(self, cache: Path) -> Path:
        folder = cache.joinpath(*self.group.split("."), self.artifact, self.version)
        return folder / f"{self.artifact}-{self.version}.jar"

    def is_good_in(self, cache: Path) -> bool:
        path = self.path_in(cache)
        return path.exists() and digest(path) == self.sha256


def locked(lock: Path = LOCK) -> list[Jar]:
    lines = [line for line in lock.read_text().splitlines() if not line.startswith("#")]
    return [Jar(*line.replace(" ", ":").split(":", 3)) for line in lines]


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def missing(cache: Path) -> list[Jar]:
    return [jar for jar in locked() if not jar.is_good_in(cache)]


def fetch(wanted: list[Jar], cache: Path) -> None:
    """Fetch jars into the cache; what does not have its digest then is removed and not used."""
    context = _context(cache)
    for jar in wanted:
        path = jar.path_in(cache)
        path.unlink(missing_ok=True)  # cut short, or not what it should be
        _download(context, jar)
        if digest(path) != jar.sha256:
            path.unlink()
            raise JarChanged(path=path)


def cache_folder() -> Path:
    """Maven's local repository, as jgo is configured: M2_REPO, jgo.conf, or ~/.m2/repository."""
    return Path(_settings().repo_cache)


def write_lock(lock: Path = LOCK) -> int:
    """Resolve the broker anew and write the digests (for a new version of Kafka). What LOGGING
    depends on is there already: the broker brings the same log4j."""
    context = _context(cache_folder())
    broker = importlib.import_module("jgo.maven").Dependency(_artifact(context, BROKER))
    inputs, transitive = context.resolver.resolve([broker])
    found = [dependency.artifact for dependency in [*inputs, *transitive]]
    lines = sorted({_line(artifact) for artifact in [*found, _artifact(context, LOGGING)]})
    lock.write_text("# group:artifact:version sha256; written by `make lock`\n" + "".join(lines))
    return len(lines)


def repositories(environ: Mapping[str, str]) -> dict[str, str] | None:
    """Repositories by name: jgo.conf, else a mirror of Central in Maven's settings, else None
    (Maven Central)."""
    configured = dict(_settings().repositories)
    if configured:
        return configured
    home = Path(environ.get("HOME") or Path.home())
    mirror = mirror_of_central(home / ".m2" / "settings.xml")
    return {"mirror": mirror} if mirror else None


def mirror_of_central(settings: Path) -> str | None:
    """The address of the first mirror in a Maven settings file that stands in for Central."""
    if not settings.exists():
        return None
    root = ET.parse(settings).getroot()  # noqa: S314 - the user's own file
    for mirror in root.iterfind("{*}mirrors/{*}mirror"):
        stands_for = (mirror.findtext("{*}mirrorOf") or "").replace(" ", "").split(",")
        if {"*", "central", "external:*"} & set(stands_for) and "!central" not in stands_for:
            return (mirror.findtext("{*}url") or "").strip().rstrip("/") or None
    return None


def _system_certificates(environ: Mapping[str, str]) -> Path | None:
    """The certificates that this machine trusts, which may include a company's proxy, as Maven and
    pip use them; None when requests is told already, or there are none (certifi's are used)."""
    if environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE"):
        return None
    named = [environ[name] for name in ("SSL_CERT_FILE", "PIP_CERT") if environ.get(name)]
    return next((path for path in map(Path, [*named, *CERTIFICATES]) if path.is_file()), None)


def _settings() -> Any:
    return importlib.import_module("jgo.config").GlobalSettings.load()


def _context(cache: Path) -> Any:
    if bundle := _system_certificates(os.environ):
        os.environ["REQUESTS_CA_BUNDLE"] = str(bundle)
    logging.getLogger("jgo").setLevel(logging.CRITICAL)  # we check and say what is wrong ourselves
    maven = importlib.import_module("jgo.maven")
    return maven.MavenContext(repo_cache=cache, remote_repos=repositories(os.environ), timeout=60)


def _download(context: Any, jar: Jar) -> None:
    try:
        _artifact(context, jar.coordinate).resolve()
    except (OSError, RuntimeError) as failure:  # requests' errors are OSErrors
        reason = str(failure).splitlines()[0][:200]
        raise JarUnavailable(jar=jar.coordinate, reason=reason) from failure


def _artifact(context: Any, coordinate: str) -> Any:
    group, artifact, version = coordinate.split(":")
    return context.project(group, artifact).at_version(version).artifact()


def _line(artifact: Any) -> str:
    name = f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}"
    return f"{name} {digest(artifact.resolve())}\n"
