"""Every check of the project. `nox -l` lists them; the default is what is worth a look before each commit."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.error_on_external_run = True
nox.options.sessions = ["tests", "lint", "types", "regenerate_check", "build"]

PROJECT = nox.project.load_toml("pyproject.toml")
EXTRAS = "cli,sandbox,redis,fastapi,pipelines,otel"
PYTEST = ("python", "-X", "dev", "-m", "pytest")
# Seconds after which a test that hangs fails, with what every thread was doing.
BOUNDED = ("--timeout=180",)
# More at a time than there are cores: a test mostly waits for a server, another process, or a timer. Neighbours stay with the
# same worker, so that what a module's tests share is made once.
AT_ONCE = ("-n", str(2 * min(os.cpu_count() or 1, 8)), "--dist", "worksteal")
# Tests that measure order between processes want the machine for themselves. They measure to the second, and may run beside
# each other.
ALONE = "tests/quota/processes"
# It times callbacks, so it can't run where lines are counted.
TIMED = "tests/quota/test_event_loop.py"
# What starts many processes, servers or databases, or computes for minutes, and proves the same on any Python.
ONCE = (
    "tests/booking_site",
    "tests/cli",
    "tests/operations",
    "tests/pipelines/test_chaos.py",
    "tests/pipelines/test_cost.py",
    "tests/pipelines/test_dlt_secrets.py",
    "tests/pipelines/test_dlt_sink.py",
    "tests/pipelines/test_dlt_source.py",
    "tests/quota/servers",
    "tests/quota/test_simulation.py",
    "tests/regenerate",
    "tests/test_audit.py",
    "tests/test_memory.py",
    "tests/test_site_load.py",
    "tests/test_snippets.py",
)

# What calls, and what sends.
SENDING = (
    "tests/calls",
    "tests/fastapi",
    "tests/resources",
    "tests/sandbox",
    "tests/send",
    "tests/test_allow_http.py",
    "tests/test_cancellation.py",
    "tests/test_environment.py",
    "tests/test_events.py",
    "tests/test_faults.py",
    "tests/test_hostile.py",
    "tests/test_keys.py",
    "tests/test_listeners.py",
    "tests/test_lists_lose_nothing.py",
    "tests/test_operations.py",
    "tests/test_secrets.py",
    "tests/test_testing_example.py",
)
# What httpx alone does. httpx2 ignores exceptions to proxies that it can't read, does not look at SSLKEYLOGFILE, and reads the
# system's certificates in a way that the test doesn't notice.
UNLIKE_HTTPX = (
    "tests/send/test_environment.py::test_a_variable_that_cant_be_used_is_named[a network of IPv6]",
    "tests/send/test_environment.py::test_a_variable_that_cant_be_used_is_named[an address in brackets]",
    "tests/send/test_environment.py::test_a_variable_that_cant_be_used_is_named[no such folder]",
    "tests/send/test_environment.py::test_certificates_are_read_once",
)

# What uses each library that the package or an extra needs, and no repository around it.
INSTALLED = (
    "tests/test_examples.py",
    "tests/test_operations.py",
    "tests/test_webhooks.py",
    "tests/fastapi",
    "tests/sandbox/test_fixtures.py",
    "tests/sandbox/test_operations.py",
    "tests/pipelines/test_export.py",
    "tests/cli/test_list.py",
)
# What shows whether other versions of the libraries do.
LIBRARY = (
    *INSTALLED,
    "tests/calls",
    "tests/send",
    "tests/quota/stores",
    "tests/pipelines/test_dlt_sink.py",
    "tests/pipelines/test_sinks.py",
    "tests/regenerate/test_generated_package.py",
)

# An old Starlette with a new anyio warns of itself.
OLD = ("-W", "ignore:The anyio.abc.BlockingPortal alias:DeprecationWarning")

# What reads a clock, or what was written by one.
DATED = (
    "tests/booking_site/test_launch.py",
    "tests/booking_site/test_site.py",
    "tests/booking_site/test_times.py",
    "tests/cli/test_demo_and_sandbox.py",
    "tests/cli/test_export.py",
    "tests/cli/test_list.py",
    "tests/cli/test_webhooks.py",
    "tests/fastapi",
    "tests/pipelines/test_bad_states.py",
    "tests/pipelines/test_dlt_source.py",
    "tests/pipelines/test_export.py",
    "tests/pipelines/test_nights.py",
    "tests/pipelines/test_on_error.py",
    "tests/pipelines/test_schema.py",
    "tests/pipelines/test_sinks.py",
    "tests/quota/rules/test_headers.py",
    "tests/sandbox",
    "tests/calls/test_arguments.py",
    "tests/calls/test_decoding.py",
    "tests/test_examples.py",
    "tests/test_webhooks.py",
)
# The files that GitHub reads, and the schemas of check-jsonschema that they must fit.
SCHEMAS = {
    "vendor.github-workflows": "workflows/*.yml",
    "vendor.dependabot": "dependabot.yml",
    "vendor.github-issue-forms": "ISSUE_TEMPLATE/*.yml",
}
# When the tests start, by the clock of a zone. Within the first minutes clocks go forward, or the hour begins that comes
# twice.
CLOCKS = {
    "a Saturday": ("2026-12-19 12:00:00", "UTC"),
    "late on a Friday": ("2026-12-18 23:40:00", "UTC"),
    "the end of a year": ("2026-12-31 23:30:00", "UTC"),
    "clocks go forward in the US": ("2027-03-14 01:58:00", "America/New_York"),
    "clocks go forward in the EU": ("2027-03-28 02:58:00", "Europe/Bucharest"),
    "clocks go back in the EU": ("2027-10-31 02:58:00", "Europe/Bucharest"),
    "clocks go back in the US": ("2027-11-07 00:58:00", "America/New_York"),
    "a year far ahead": ("2031-07-16 09:00:00", "UTC"),
    "a zone where it is tomorrow": ("2026-12-14 08:00:00", "Pacific/Auckland"),
}


def _interpreter(version: str) -> str | None:
    """A working interpreter of a version: a shim that only says 'not installed' doesn't count."""
    shims = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [shutil.which(f"python{version}"), *sorted(map(str, shims.glob(f"{version}.*/bin/python")))]
    for candidate in filter(None, candidates):
        if subprocess.run([candidate, "-c", "import venv"], capture_output=True, check=False).returncode == 0:
            return candidate
    return None


def _uv_works() -> bool:
    """It makes in seconds what takes pip a minute, but does not read pip's settings: it may have no index where pip has one."""
    beside = str(Path(sys.executable).parent)
    uv = shutil.which("uv", path=os.pathsep.join([beside, os.environ.get("PATH", "")]))
    if uv is None:
        return False
    resolving = subprocess.run([uv, "pip", "compile", "--quiet", "-"], input=b"nox", capture_output=True, check=False)
    return resolving.returncode == 0


os.environ.setdefault("UV_SYSTEM_CERTS", "true")  # as pip does
# The tests start hundreds of interpreters. Without bytecode, each compiles all that it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ.setdefault("UV_COMPILE_BYTECODE", "1")  # as pip does; workers that start together would all compile the same
nox.options.default_venv_backend = "uv" if _uv_works() else "venv"

FOUND = {version: _interpreter(version) for version in nox.project.python_versions(PROJECT)}
PRESENT = [version for version, path in FOUND.items() if path is not None]
os.environ["PATH"] = os.pathsep.join([*(str(Path(path).parent) for path in FOUND.values() if path), os.environ["PATH"]])


def _install(session: nox.Session, *groups: str, extras: str = EXTRAS) -> None:
    session.install("-e", f".[{extras}]", *nox.project.dependency_groups(PROJECT, *groups))


def _needed() -> list[str]:
    """What the package and its extras name."""
    project = PROJECT["project"]
    return [
        *project["dependencies"],
        *(each for extra in EXTRAS.split(",") for each in project["optional-dependencies"][extra]),
    ]


@nox.session(python=next(iter(PRESENT), "3.11"))
def tests(session: nox.Session) -> None:
    """What proves the promises, in minutes, on one Python (another: `--force-python 3.13`); arguments go to pytest."""
    _install(session, "test", "regenerate")
    if session.posargs:
        session.run(*PYTEST, *BOUNDED, *session.posargs)
        return
    session.run(*PYTEST, *BOUNDED, *AT_ONCE, "-m", "not further", f"--ignore={ALONE}")


@nox.session(python="3.12")
def eager(session: nox.Session) -> None:
    """The tests where a task starts within `create_task`, with the coverage of all that they start, and then those that `tests`
    leaves out; arguments go to pytest."""
    _install(session, "test", "regenerate", "coverage")
    tasks = {"SESSIONS_EAGER": "1"}
    measured = (*PYTEST, *BOUNDED, "--cov", "--cov-fail-under=0")
    if session.posargs:
        session.run(*measured, *session.posargs, env=tasks)
        return
    whole = (*AT_ONCE, "-m", "not further", f"--ignore={ALONE}")
    session.run(*measured, "--cov-report=", *whole, env=tasks)
    session.run("coverage", "report")
    session.run(*PYTEST, *BOUNDED, TIMED, env=tasks)
    session.run(*PYTEST, *BOUNDED, *AT_ONCE, ALONE)
    session.run(*PYTEST, *BOUNDED, *AT_ONCE, "-m", "further", env=tasks)


@nox.session(python="3.13")
def uvloop(session: nox.Session) -> None:
    """The tests on the event loop of uvloop, but for those that prove the same on any; arguments go to pytest."""
    _install(session, "test", "regenerate")
    arguments = session.posargs or (*AT_ONCE, *(f"--ignore={path}" for path in (ALONE, *ONCE)))
    session.run(*PYTEST, *BOUNDED, *arguments, env={"SESSIONS_UVLOOP": "1"})


@nox.session(python=next(iter(PRESENT), "3.11"))
def httpx2(session: nox.Session) -> None:
    """The tests of calls and of what sends them, with httpx2 in the place of httpx; arguments go to pytest."""
    _install(session, "test", "regenerate")
    unlike = [f"--deselect={test}" for test in UNLIKE_HTTPX]
    chosen = session.posargs or (*AT_ONCE, "-m", "not further", *unlike, *SENDING)
    session.run(*PYTEST, *BOUNDED, *chosen, env={"PYTHONPATH": str(Path("tests/support/httpx2_alias").resolve())})


@nox.session
def lint(session: nox.Session) -> None:
    """Style, spelling, obvious mistakes, GitHub's files, and that no public name goes without a line in the changelog."""
    session.install(*nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("codespell")
    session.run("zizmor", "--offline", "--quiet", ".github")
    for schema, files in SCHEMAS.items():
        session.run("check-jsonschema", "--builtin-schema", schema, *map(str, sorted(Path(".github").glob(files))))
    session.run("python", "scripts/public_names.py", *session.posargs)


def _programs(place: Path) -> list[str]:
    """Every Python block of README and docs/ as a file, as a reader pastes it; those of docs/fastapi.md are one program."""
    found = {}
    for page in (Path("README.md"), *sorted(Path("docs").glob("*.md"))):
        blocks = re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
        for number, code in enumerate(blocks):
            part = "all" if page.stem == "fastapi" else number
            name = f"{page.stem}_{part}.py".replace("-", "_").lower()
            found[name] = found.get(name, "") + code
    for name, code in found.items():
        (place / name).write_text(f"# pyright: strict\n{code}", "utf-8")
    return [str(place / name) for name in found]


@nox.session
def types(session: nox.Session) -> None:
    """Mypy and pyright over everything, and whether every public name is typed."""
    _install(session, "test", "types", "regenerate", "benchmarks")
    session.run("mypy", "src", "generated", "scripts", "examples", "benchmarks", "tests/typing")
    programs = _programs(Path(session.create_tmp()).resolve())
    session.run("mypy", *programs)
    session.run("pyright")
    session.run("pyright", *programs)
    session.run("pyright", "--verifytypes", "sessions_us", "--ignoreexternal")


@nox.session
def regenerate(session: nox.Session) -> None:
    """Rebuilds spec/openapi.json and generated/ (arguments go to scripts/regenerate.py)."""
    session.install(*nox.project.dependency_groups(PROJECT, "regenerate"))
    session.run("python", "scripts/regenerate.py", *session.posargs)


@nox.session
def regenerate_check(session: nox.Session) -> None:
    """Whether what is committed is what the document and the overlay give."""
    session.install(*nox.project.dependency_groups(PROJECT, "regenerate"))
    session.run("python", "scripts/regenerate.py", "--check")


@nox.session
def drift(session: nox.Session) -> None:
    """Reports what the vendor's document changes against ours, and what breaks, without touching the repository; the argument
    is a URL or a file, without one the `urls` of spec/upstream.toml are tried."""
    session.install(*nox.project.dependency_groups(PROJECT, "regenerate"))
    out = str(Path(session.create_tmp()).resolve() / "pulled")
    session.run("python", "scripts/regenerate.py", "--pull", *session.posargs, "--output", out, success_codes=[0, 4])


@nox.session
def drive(session: nox.Session) -> None:
    """Runs every method of the client against a server that is made from the document; the argument is another document."""
    session.install(*nox.project.dependency_groups(PROJECT, "regenerate"))
    session.run("python", "scripts/regenerate.py", "--drive", *session.posargs)


@nox.session
def shapes(session: nox.Session) -> None:
    """Takes in some 200 documents in the shape of this API; each has to work, or the report says first what does not."""
    _install(session, "test", "regenerate")
    session.run(
        *PYTEST, "-n", "auto", "tests/regenerate/test_shapes.py", *session.posargs, env={"SESSIONS_LONG_TESTS": "1"}
    )


@nox.session
def calendar(session: nox.Session) -> None:
    """The tests that dates matter to, at days and hours on which others failed; arguments are other tests. Needs faketime."""
    if shutil.which("faketime") is None:
        session.error("faketime is missing: apt-get install faketime (Debian, Ubuntu), or libfaketime of your system")
    _install(session, "test")
    environment = {
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # timers and locks follow it
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # it makes whoever waits for Python's lock spin
        "FAKETIME_DONT_RESET": "1",  # else each process that a test starts begins at that moment again
        "NO_FAKE_STAT": "1",  # else all that was compiled seems to be old
        "PYTHONPATH": str(Path("tests/support/shifted").resolve()),
    }
    for name, (moment, zone) in CLOCKS.items():
        session.log(f"{name}: {moment} in {zone}")
        shifted = ["faketime", "-m", "-f", f"@{moment}", "python", "-X", "dev", "-m", "pytest", "-n", "auto"]
        session.run(*shifted, *(session.posargs or DATED), env={**environment, "TZ": zone}, external=True)


@nox.session
def processes(session: nox.Session) -> None:
    """Several processes on one key, through SQLite and a real Valkey, at windows of 30 s. Takes a quarter of an hour."""
    _install(session, "test")
    session.run("python", "-m", "pytest", "tests/quota/processes", *session.posargs, env={"SESSIONS_LONG_TESTS": "1"})


@nox.session
def pages(session: nox.Session) -> None:
    """Pulls from the real documentation pages, installed from npm. Needs Node.js 20."""
    if shutil.which("npm") is None:
        session.skip("npm is missing: install Node.js 20 or newer")
    _install(session, "test", "regenerate")
    session.run("python", "-m", "pytest", "-m", "npm", "tests/regenerate/test_pull_npm.py", *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """The example's booking site and the sandbox's page in a real browser. Needs Chromium."""
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        session.error(
            "Chromium is missing: apt-get install chromium (Debian, Ubuntu), or another package of it for your system"
        )
    _install(session, "browser", extras="fastapi,sandbox")
    session.run(
        "python", "-m", "pytest", "tests/booking_site/test_browser.py", "tests/test_sandbox_page.py", *session.posargs
    )


@nox.session
def operations(session: nox.Session) -> None:
    """The example's metrics in a real Prometheus. Needs Debian's prometheus."""
    if shutil.which("prometheus") is None:
        session.error("Prometheus is missing: apt-get install prometheus (Debian, Ubuntu), or that of your system")
    _install(session, "operations", extras="fastapi,sandbox,otel")
    session.run("python", "-m", "pytest", "tests/operations", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site in build/site. Warnings, and links that lead nowhere, are errors."""
    session.install(*nox.project.dependency_groups(PROJECT, "docs"))
    session.run("python", "scripts/build_docs.py")


@nox.session
def pictures(session: nox.Session) -> None:
    """Draw the pictures of the README and docs/ again, from simulations and from the demo."""
    _install(session, "test")
    session.run("python", "tests/pictures/budget.py")
    session.run("python", "tests/pictures/demo.py")


@nox.session
def build(session: nox.Session) -> None:
    """Builds the wheel, installs it alone, imports everything that needs no extra, and checks that all of it is typed."""
    session.install("build")
    out = Path(session.create_tmp()).resolve() / "dist"
    shutil.rmtree(out, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(out), silent=True)
    (wheel,) = out.glob("*.whl")
    session.install("--force-reinstall", str(wheel))
    with session.chdir(session.create_tmp()):
        session.run(
            "python",
            "-c",
            "import sessions_us as s, sys; [getattr(s, n) for n in s.__all__]; print(len(s.__all__), 'names')",
        )
        session.install(*(named for named in nox.project.dependency_groups(PROJECT, "types") if "pyright" in named))
        session.run("pyright", "--verifytypes", "sessions_us", "--ignoreexternal")
        # What the README installs: without the development's libraries, of which some hold others back.
        session.install(f"{wheel}[cli,sandbox]")
        session.run("sessions-us", "list", "--help", silent=True)


@nox.session
def installed(session: nox.Session) -> None:
    """Test the wheel and the sdist with the sources out of reach; the argument is a folder with both, else they are built."""
    tmp = Path(session.create_tmp()).resolve()
    dist = Path(session.posargs[0]).resolve() if session.posargs else tmp / "dist"
    if not session.posargs:
        session.install("build")
        shutil.rmtree(dist, ignore_errors=True)
        session.run("python", "-m", "build", "--outdir", str(dist), silent=True)
    place = tmp / "place"
    for (built,) in (dist.glob("*.whl"), dist.glob("*.tar.gz")):
        session.install("--force-reinstall", f"{built}[{EXTRAS}]", *nox.project.dependency_groups(PROJECT, "test"))
        shutil.rmtree(place, ignore_errors=True)
        for kept in ("tests", "examples", "docs", "spec"):
            shutil.copytree(kept, place / kept)
        for kept in ("pyproject.toml", "README.md"):
            shutil.copy(kept, place)
        with session.chdir(place):
            session.run("python", "-c", "import sessions_us as s; assert 'site-packages' in s.__file__, s.__file__")
            session.run(*PYTEST, *BOUNDED, *AT_ONCE, "-m", "not further", *INSTALLED)


@nox.session(python="3.11", venv_backend="uv")
def lowest(session: nox.Session) -> None:
    """The tests with the lowest versions that the package allows for what it names; arguments go to pytest. Needs uv."""
    session.install("--resolution", "lowest-direct", *_needed())
    _install(session, "test", "regenerate")  # which keeps what is there
    session.run(*PYTEST, *BOUNDED, *OLD, *(session.posargs or (*AT_ONCE, "-m", "not further", *LIBRARY)))


@nox.session
def newest(session: nox.Session) -> None:
    """The tests with the newest versions of what the package needs, our upper bounds ignored; arguments go to pytest."""
    _install(session, "test", "regenerate")
    session.install("--upgrade", *(re.split(r"[<>=!~; ]", each, maxsplit=1)[0] for each in _needed()))
    session.run(*PYTEST, *BOUNDED, *(session.posargs or (*AT_ONCE, "-m", "not further", *LIBRARY)))


@nox.session
def audit(session: nox.Session) -> None:
    """What the package index says of our dependencies: yanked, unmaintained, not to be had. See SECURITY.md."""
    session.install(*nox.project.dependency_groups(PROJECT, "audit"))
    session.run("python", "scripts/audit.py")


@nox.session
def demo(session: nox.Session) -> None:
    """The demo, as the README has it."""
    _install(session)
    session.run("sessions-us", "demo", *session.posargs)


@nox.session
def benchmarks(session: nox.Session) -> None:
    """The table of what we cost, in ten minutes, with `--quick` in one; or `quota --real`, `sharing`, `sandbox` or `path`."""
    named = session.posargs and not session.posargs[0].startswith("-")
    which, *arguments = session.posargs if named else ("table", *session.posargs)
    _install(session, "benchmarks")
    session.run("python", f"benchmarks/{which}.py", *arguments)


@nox.session
def budget(session: nox.Session) -> None:
    """How much of the budget an export uses when it is alone. Takes four minutes."""
    _install(session)
    session.run("python", "tests/cli/budget.py")


@nox.session
def fuzz(session: nox.Session) -> None:
    """Feeds headers, answers and paths that nobody thought of; the argument is minutes."""
    _install(session, "test")
    session.run("python", "tests/fuzz/session.py", *session.posargs)


@nox.session
def mutation(session: nox.Session) -> None:
    """Changes the rules of the quota and of lists in one place at a time: a test must notice. Arguments: which mutants."""
    _install(session, "test", "mutation")
    place = Path(session.create_tmp()).resolve() / "place"
    shutil.rmtree(place, ignore_errors=True)
    for kept in ("src", "generated", "tests", "examples", "spec"):
        shutil.copytree(kept, place / kept)
    for kept in ("pyproject.toml", "README.md"):
        shutil.copy(kept, place)
    with session.chdir(place):
        session.run("python", "tests/mutation/session.py", *session.posargs)


@nox.session
def chaos(session: nox.Session) -> None:
    """Kills exports fifty times for each sink, and looks for what was lost. Takes a quarter of an hour."""
    _install(session, "test")
    session.run("python", "tests/pipelines/chaos.py", *session.posargs)


@nox.session
def histories(session: nox.Session) -> None:
    """Reads lists under histories drawn at random; by default 200,000 of them, which takes an hour."""
    _install(session, "test")
    session.run("python", "tests/list_histories.py", *(session.posargs or ("--histories", "200000")))


@nox.session
def reliability(session: nox.Session) -> None:
    """Writes docs/reliability.md again from what the tests of faults find."""
    _install(session, "test")
    session.run("python", "-X", "dev", "-m", "pytest", "tests/test_faults.py", env={"SESSIONS_WRITE_DOCS": "1"})


@nox.session
def prism(session: nox.Session) -> None:
    """Every operation against Prism, which validates requests and answers from spec/openapi.json. Needs Node.js."""
    if shutil.which("npm") is None:
        session.skip("npm is missing: install Node.js 18 or newer")
    _install(session, "test")
    home = Path(session.create_tmp()).resolve()
    session.run(
        "npm",
        "install",
        "--silent",
        "--no-audit",
        "--no-fund",
        "--prefix",
        str(home),
        "@stoplight/prism-cli@5",
        external=True,
    )
    session.run("python", "tests/prism/check.py", str(home / "node_modules" / ".bin" / "prism"))
