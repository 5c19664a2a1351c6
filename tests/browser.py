"""A browser for tests of pages."""

import contextlib
import shutil

import pytest

PHONE = {"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": True}


@contextlib.contextmanager
def open_chromium(folder):
    """Headless Chromium, without background network traffic, as a context manager.

    Args:
        folder: Folder for its profile.
    """
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs the package selenium")
    programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if not all(programs):
        pytest.skip("needs Chromium and its driver, such as the Debian package chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    for flag in (
        *("headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run"),
        *("disable-background-networking", "disable-component-update", "disable-sync"),
        f"user-data-dir={folder}",
        "window-size=1100,1400",
    ):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(programs[1]))
    try:
        yield browser
    finally:
        browser.quit()


def use_phone(driver):
    """Makes the window as narrow as a phone's, until `use_desktop`."""
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)


def use_desktop(driver):
    """Undoes `use_phone`."""
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def use_colours(driver, scheme):
    """Makes the page `"light"` or `"dark"`."""
    feature = {"name": "prefers-color-scheme", "value": scheme}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
