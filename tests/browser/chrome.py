"""Chromium, and what it says of a page: its console, its policy violations, its requests."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, sync_playwright

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 15_000  # milliseconds
OpenContext = Callable[..., BrowserContext]


@dataclass
class Windows:
    """Opens windows and collects whatever goes wrong in them; a test that expects something empties `reports`."""

    chrome: Browser
    reports: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    def context(self, **options: Any) -> BrowserContext:
        """A browser of its own: no cookie is shared with another one."""
        context = self.chrome.new_context(**options)
        context.set_default_timeout(PATIENCE)
        context.on("console", self._console)
        context.on("weberror", lambda error: self.reports.append(f"error: {error.error}"))
        context.on("dialog", self._dialog)
        self.contexts.append(context)
        return context

    def page(self, **options: Any) -> Page:
        return self.context(**options).new_page()

    def _dialog(self, dialog: Dialog) -> None:
        self.reports.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _console(self, message: ConsoleMessage) -> None:
        # An answer that is an error is no fault of the page.
        if message.type in ("warning", "error") and "the server responded with a status of" not in message.text:
            self.reports.append(f"{message.type}: {message.text}")

    def close(self) -> None:
        for context in self.contexts:
            context.close()


@contextmanager
def launched(executable: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chrome = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield chrome
        chrome.close()
