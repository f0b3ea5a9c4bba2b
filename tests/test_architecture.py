"""What the code promises of its own shape: the arrows, a home for every library, and nothing undocumented."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest
from starlette.routing import Route

from idp import routes
from idp.audit import Event
from idp.cli import main
from idp.protocol.errors import OAuthError
from idp.settings import CONFIG, FILE_SUFFIX, PREFIX, Settings, shown
from idp.web import problems
from idp.web.problems import Problem

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "idp"
DOCS = ROOT / "docs"
TESTS = ROOT / "tests"
LOGGERS = (
    *("app.py", "challenges.py", "delivery.py", "logs.py", "cli/serve.py", "outside/breaches.py", "outside/captcha.py"),
    *("store/db.py", "store/volatile.py", "web/middleware.py", "web/refusals.py", "web/throttle.py"),
)

# One library, one home: who imports what, by files and folders of idp/.
HOMES: dict[str, tuple[str, ...]] = {
    "aiosmtplib": ("outside/mail.py",),
    "alembic": ("store/migrate.py",),
    "altcha": ("web/work.py",),
    "argon2": ("factors/password.py",),
    "asyncpg": ("store/postgres.py",),
    "authlib": ("dev/",),
    "babel": ("web/languages.py",),
    "bcrypt": ("factors/foreign_hashes.py",),
    "click": ("cli/", "dev/run.py"),
    "cryptography": ("keys.py", "store/seal.py"),
    "httpx2": ("dev/", "outside/"),
    "jinja2": ("web/pages.py",),
    "joserfc": ("keys.py", "protocol/jwt.py", "dev/"),
    "markupsafe": ("web/pages.py",),
    "msgspec": ("quick_json.py",),
    "pydantic": ("settings/",),
    "pydantic_settings": ("settings/",),
    "pyotp": ("factors/totp.py",),
    "redis": ("store/volatile.py",),
    "segno": ("web/qr.py",),
    "sqlalchemy": ("store/",),
    "sqlite3": ("store/sqlite.py",),
    "sqlmodel": ("store/",),
    "starlette": (
        "app.py",
        "routes.py",
        "services.py",
        "account/",
        "oauth/",
        "signin/",
        "web/",
        "dev/",
        "cli/serve.py",
    ),
    "structlog": LOGGERS,
    "zxcvbn": ("factors/weakness.py",),
    "webauthn": ("factors/passkey/",),
    "uvicorn": ("cli/serve.py", "dev/run.py", "web/connection.py"),
}
# Of the standard library: what makes a rule depend on the hour or the dice.
CLOCKS = {"time.perf_counter": ("web/middleware.py",), "datetime.now": ("services.py", "dev/")}
UNSAFE_MODULES = {"pickle", "marshal", "shelve", "yaml", "jsonpickle", "dill", "random"}
DRAWERS = re.compile(r"(utils?|helpers?|misc|common|shared|tools?|stuff|lib|base|core|manager|handlers?)")
SECRET = re.compile(r"(^|_)(secret|password|passwd|token|mac|hash|digest|cookie|csrf|verifier|challenge|seed|code)s?$")
# The groups of attacks, as the names of tests have them: two letters and two digits.
CASE = re.compile(
    r"(?:^|_)(?:ru|az|pk|cd|rt|tk|ca|pr|dv|cr|in|lo|co|se|cs|xi|pw|en|rl|mf|ot|wa|rc|fe|un|ht|do|ad|km|lg|ra)_?\d\d(?=_|$)"
)
MAX_FUNCTION = 50
MAX_FILE = 400


@cache
def sources() -> dict[str, ast.Module]:
    return {
        path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def nodes(*, dev: bool = True) -> Iterator[tuple[str, ast.AST]]:
    for file, tree in sources().items():
        if dev or not file.startswith("dev/"):
            for node in ast.walk(tree):
                yield file, node


def imports(*, dev: bool = True) -> Iterator[tuple[str, str]]:
    """Each file with each module that it imports."""
    for file, node in nodes(dev=dev):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield file, name.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, file  # imports are written in full
            yield file, str(node.module)
            for name in node.names:
                yield file, f"{node.module}.{name.name}"


def at_home(file: str, homes: tuple[str, ...]) -> bool:
    return any(file == home or (home.endswith("/") and file.startswith(home)) for home in homes)


def doc(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_the_arrows_hold() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_library_stays_at_home() -> None:
    used: dict[str, set[str]] = {}
    for file, module in imports():
        used.setdefault(module.partition(".")[0], set()).add(file)
    foreign = {name for name in used if name != "idp" and (name in HOMES or name not in sys.stdlib_module_names)}
    assert foreign == set(HOMES)
    astray = [(name, file) for name in foreign for file in sorted(used[name]) if not at_home(file, HOMES[name])]
    assert not astray
    empty = [(name, home) for name, homes in HOMES.items() for home in homes if not homes_used(used[name], home)]
    assert not empty


def homes_used(files: set[str], home: str) -> bool:
    return any(at_home(file, (home,)) for file in files)


def test_development_mode_is_imported_by_its_command_alone_and_only_when_it_runs() -> None:
    importing = {file for file, module in imports(dev=False) if module.startswith("idp.dev")}
    assert importing == {"cli/dev.py"}
    at_import = [node for node in sources()["cli/dev.py"].body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert not [node for node in at_import if "idp.dev" in ast.unparse(node)]
    loaded = "import sys, idp.cli, idp.routes; print([name for name in sys.modules if name.startswith('idp.dev')])"
    done = subprocess.run([sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_module_is_a_drawer() -> None:
    assert not [file for file in sources() if DRAWERS.fullmatch(Path(file).stem)]
    undocumented = [file for file, tree in sources().items() if not ast.get_docstring(tree)]
    assert not undocumented


def test_no_function_is_long_and_no_file_either() -> None:
    long = [
        f"{file}:{node.lineno} {node.name}"
        for file, node in nodes()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > MAX_FUNCTION
    ]
    assert not long
    files = [file for file in sources() if len((PACKAGE / file).read_text(encoding="utf-8").splitlines()) > MAX_FILE]
    assert not files


def test_time_and_chance_come_from_one_place_each() -> None:
    found = [
        (file, ast.unparse(node))
        for file, node in nodes()
        if isinstance(node, ast.Attribute)
        and re.fullmatch(r"(time\.\w+|(datetime\.)*(datetime|date)\.(now|utcnow|today))", ast.unparse(node))
    ]
    assert not [(file, what) for file, what in found if not at_home(file, CLOCKS.get(what, ()))]
    assert {what for _, what in found} == set(CLOCKS)


def test_xi_16_nothing_is_read_that_could_run_and_no_dice_are_thrown_but_by_secrets() -> None:
    """The attacker writes to the database or a cookie what becomes a program when it is read, or foretells a secret."""
    assert not [(file, module) for file, module in imports() if module.partition(".")[0] in UNSAFE_MODULES]
    calls = (node for _, node in nodes() if isinstance(node, ast.Call) and isinstance(node.func, ast.Name))
    assert not [ast.unparse(call) for call in calls if call.func.id in ("eval", "exec", "compile")]  # type: ignore[attr-defined]


def test_xi_15_nothing_starts_another_program() -> None:
    """The attacker names a backup, an app or himself so that a shell makes a command of it."""
    assert not [(file, module) for file, module in imports() if module.partition(".")[0] in ("subprocess", "pty")]
    called = [ast.unparse(node.func) for _, node in nodes() if isinstance(node, ast.Call)]
    assert "asyncio.to_thread" in called
    assert not [
        each for each in called if re.fullmatch(r"(os|asyncio|posix)\.(system|popen|exec|spawn|create_sub).*", each)
    ]


def test_ht_04_nothing_is_decided_by_the_url_or_host_that_a_request_claims() -> None:
    """The attacker names another host or path than the one he asks: the issuer is a setting, the path the scope's."""
    claimed = re.compile(r"(.*\.)?(request|connection)\.(url|base_url|url_for)")
    urls = [
        (file, node.lineno, ast.unparse(node))
        for file, node in nodes(dev=False)
        if isinstance(node, ast.Attribute) and claimed.fullmatch(ast.unparse(node))
    ]
    assert not urls
    headers = re.compile(r"b?'(host|forwarded|x-(forwarded|real|original)-.*)'", re.IGNORECASE)
    read = [
        (file, node.args[0]) for file, node in nodes(dev=False) if isinstance(node, ast.Call) and _reads_headers(node)
    ]
    read += [(file, node.slice) for file, node in nodes(dev=False) if isinstance(node, ast.Subscript)]
    found = [(file, ast.unparse(node)) for file, node in read if headers.fullmatch(ast.unparse(node))]
    assert found == [("web/origin.py", "'x-forwarded-for'")]  # from trusted proxies, for the address alone


def _reads_headers(call: ast.Call) -> bool:
    return bool(call.args) and re.search(r"headers\.(get|getlist)$", ast.unparse(call.func)) is not None


def test_no_secret_is_compared_with_equality() -> None:
    """Constant time, or in the database; what is named like a secret is held to be one."""
    found = [
        (file, node.lineno, ast.unparse(node))
        for file, node in nodes(dev=False)
        if isinstance(node, ast.Compare)
        and any(isinstance(each, ast.Eq | ast.NotEq) for each in node.ops)
        and any(_secret(each) for each in (node.left, *node.comparators))
        and not any(isinstance(each, ast.Constant) for each in (node.left, *node.comparators))
        and "bindparam(" not in ast.unparse(node)  # SQL: the database compares
    ]
    assert not found


def _secret(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        node = node.func
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return bool(SECRET.search(name)) or name == "hash_of"


def test_every_test_that_is_named_after_an_attack_says_which_in_a_sentence() -> None:
    """Who reads the test has no list of attacks beside it: the number alone says nothing."""
    named = [
        (f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", (ast.get_docstring(node) or "").strip())
        for path in sorted(TESTS.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and CASE.search(node.name)
    ]
    assert len(named) > 300
    assert not [test for test, sentence in named if not re.match(r"\S.{11,}[.!?]", sentence)]


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented(name: str) -> None:
    field = Settings.model_fields[name]
    row = next(
        (line for line in doc("settings.md").splitlines() if line.startswith(f"| `{PREFIX}{name.upper()}` |")), ""
    )
    assert field.description
    assert field.description in row
    default = shown(field.default) if not field.is_required() else ""
    assert f"| `{default}` |" in row or not default


def test_every_route_is_documented() -> None:
    text = doc("endpoints.md")
    listed = [route for route in (*routes.API, *routes.PAGES) if isinstance(route, Route)]
    wanted = {f"`{method} {each.path}`" for each in listed for method in (each.methods or set()) - {"HEAD"}}
    assert not {each for each in wanted if each not in text}
    documented = set(re.findall(r"^#+ .*?(`(?:GET|POST|OPTIONS) /[^`]*`)", text, re.MULTILINE))
    assert {each for each in documented if "/dev/" not in each} <= wanted


@pytest.mark.parametrize("event", Event)
def test_every_event_is_documented(event: Event) -> None:
    assert f"\n| `{event.value}` |" in doc("events.md")


def test_no_event_is_documented_that_does_not_exist() -> None:
    named = set(re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \|", doc("events.md"), re.MULTILINE))
    assert named == {event.value for event in Event}


def test_every_error_and_every_page_that_says_one_is_documented() -> None:
    text = doc("errors.md")
    codes = {each.error for each in OAuthError.__subclasses__()} | {"server_error", "temporarily_unavailable"}
    assert not {code for code in codes if f"### `{code}`" not in text}
    pages = [each for each in vars(problems).values() if isinstance(each, Problem)]
    assert len(pages) > 5
    assert not {page.title for page in pages if f"### {page.title} ({page.status})" not in text}


def commands(group: click.Command, path: str = "idp") -> Iterator[tuple[str, click.Command]]:
    if isinstance(group, click.Group):
        for name, command in group.commands.items():
            yield from commands(command, f"{path} {name}")
    else:
        yield path, group


def test_every_command_and_option_is_documented() -> None:
    sections = re.split(r"^### ", doc("cli.md"), flags=re.MULTILINE)
    for path, command in commands(main):
        section = next((each for each in sections if re.match(rf"`{path}[ `]", each)), "")
        assert section, path
        options = [option for each in command.params if isinstance(each, click.Option) for option in each.opts]
        assert not {option for option in options if f"`{option}" not in section and option != "--json"}, path
        assert ("--json" in options) == ("`--json`" in section), path


def test_the_documents_name_no_setting_and_no_file_that_does_not_exist() -> None:
    names = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    known = names | {name + FILE_SUFFIX for name in names} | {CONFIG}
    for path in (ROOT / "README.md", *DOCS.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        assert not set(re.findall(rf"\b{PREFIX}[A-Z][A-Z_]*[A-Z]\b", text)) - known, path
        links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text)
        absent = {link for link in links if "://" not in link and not (path.parent / link).exists()}
        assert absent <= {"docs/sign-in.png"}, path
