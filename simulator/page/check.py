"""Checks the demo's page in headless Chromium: what it shows and says, by mouse, by keyboard, on a phone, in the dark.

The first page is of a demo with the drainer, the second of one without it. One line for
each group of checks; the exit status is 1 when one failed. Screenshots are left beside the pages.
"""

import argparse
import sys
from pathlib import Path

# The sources stay as they are in the repository.
sys.dont_write_bytecode = True
# How checks are told of is the same as there.
sys.path.append(str(Path(__file__).resolve().parents[1] / "conformance"))

from playwright.sync_api import sync_playwright
from report import checked, told

WIDE = {"width": 1100, "height": 900}
PHONE = {"width": 390, "height": 844}

# Of text against what it stands on (WCAG 2.2, success criterion 1.4.3).
LEAST_CONTRAST = 4.5

CONTRAST = """element => {
    const parts = color => color.match(/[\\d.]+/g).map(Number);
    const light = color => {
        const [r, g, b] = parts(color).slice(0, 3).map(it => it / 255)
            .map(it => it <= 0.03928 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    let ground = element;
    while (ground && (parts(getComputedStyle(ground).backgroundColor)[3] ?? 1) === 0) ground = ground.parentElement;
    const [a, b] = [light(getComputedStyle(element).color), light(getComputedStyle(ground).backgroundColor)];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chromium", help="the browser")
    parser.add_argument("drained", type=Path)
    parser.add_argument("undrained", type=Path)
    arguments = parser.parse_args()

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=arguments.chromium, args=["--no-sandbox"])
        groups = {
            "a host that was drained": lambda checks: drained(checks, browser, arguments.drained),
            "a host that was not drained": lambda checks: undrained(checks, browser, arguments.undrained),
            "keyboard and mouse": lambda checks: pointed_at(checks, browser, arguments.drained),
            "on a phone": lambda checks: on_a_phone(checks, browser, arguments.drained),
            "light and dark": lambda checks: light_and_dark(checks, browser, arguments.drained),
        }
        status = told(checked(name, group) for name, group in groups.items())
        browser.close()
    return status


def opened(checks, browser, file, **options):
    """The page, which must need nothing but itself."""
    page = browser.new_page(**{"viewport": WIDE, **options})
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(file.resolve().as_uri())
    checks.that(asked == [file.resolve().as_uri()], f"it asks for {asked}")
    checks.that(not errors, f"errors: {errors}")
    return page


def kinds(lane):
    return lane.locator(".mark").evaluate_all("marks => marks.map(mark => mark.dataset.kind)")


def drained(checks, browser, file):
    page = opened(checks, browser, file)
    checks.that(page.locator("h1.good").inner_text() == "Nothing died.", "the headline")
    lanes = page.locator("section[data-host]")
    checks.that(lanes.count() == 3, f"{lanes.count()} lanes")
    leaving = lanes.first
    checks.that("leaves" in leaving.locator("h2").inner_text(), "the host that leaves comes first")
    found = kinds(leaving)
    # Whether a heartbeat falls into ten seconds depends on the time of day.
    order = [kind for kind in found if kind != "heartbeat"]
    checks.that(order == ["notice", "draining", "released", "gone"], f"marks in their order, not {found}")
    label = leaving.locator("svg").get_attribute("aria-label")
    checks.that(label.endswith("0 at the end"), label)
    for lane in lanes.all()[1:]:
        checks.that(not kinds(lane), "hosts that stay have no marks")
    for text in ["running", "leaving the load balancer", "stopping", "starting"]:
        checks.that(page.get_by_label("Tasks by colour").get_by_text(text, exact=True).count() == 1, f"the key has {text}")
    page.get_by_text("Everything that happened, as a list").click()
    listed = page.locator("details td:last-child").all_inner_texts()
    checks.that(any("RUNNING" in text for text in listed) and any("COMPLETED" in text for text in listed), "the list")
    checks.that(not any("Describe" in text or "List" in text for text in listed), "looking alone is not listed")
    page.get_by_text("Everything that happened, as a list").click()
    page.screenshot(path=file.with_suffix(".png"), full_page=True)


def undrained(checks, browser, file):
    page = opened(checks, browser, file)
    checks.that(page.locator("h1.bad").inner_text().endswith("died."), "the headline")
    leaving = page.locator("section[data-host]").first
    found = kinds(leaving)
    checks.that("killed" in found and "draining" not in found, f"marks: {found}")
    page.screenshot(path=file.with_suffix(".png"), full_page=True)


def pointed_at(checks, browser, file):
    page = opened(checks, browser, file)
    leaving = page.locator("section[data-host]").first
    marks, said = leaving.locator(".mark").all(), leaving.locator(".said")
    for mark in marks:
        page.keyboard.press("Tab")
        label = mark.get_attribute("aria-label")
        checks.that(mark.evaluate("mark => mark === document.activeElement"), f"Tab comes to {label}")
        checks.that(said.inner_text() == label and " s: " in label, f"{said.inner_text()} is said of {label}")
    for mark in reversed(marks):
        mark.hover()
        checks.that(said.inner_text() == mark.get_attribute("title"), "what it means is said on hover")


def on_a_phone(checks, browser, file):
    page = opened(checks, browser, file, viewport=PHONE, has_touch=True)
    width = page.evaluate("document.documentElement.scrollWidth")
    checks.that(width <= PHONE["width"], f"{width} wide")
    boxes = [mark.bounding_box() for mark in page.locator(".mark").all()]
    overlap = [
        (a, b)
        for index, a in enumerate(boxes)
        for b in boxes[:index]
        if abs(a["x"] - b["x"]) < a["width"] and abs(a["y"] - b["y"]) < a["height"]
    ]
    checks.that(not overlap, f"marks on each other: {overlap}")
    checks.that(all(box["width"] >= 24 and box["height"] >= 24 for box in boxes), "marks a finger finds")
    page.locator(".mark").first.tap()
    said = page.locator(".said").first.inner_text()
    checks.that(" s: " in said, f"a tap says {said}")


def light_and_dark(checks, browser, file):
    grounds = set()
    for scheme in ["light", "dark"]:
        page = opened(checks, browser, file, color_scheme=scheme)
        grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        for selector in ["h1", "main > p", "section h2", "section p", ".axis span", ".mark", "ul.key li", "summary"]:
            contrast = page.locator(selector).first.evaluate(CONTRAST)
            checks.that(contrast >= LEAST_CONTRAST, f"{selector} in the {scheme}: a contrast of {contrast:.1f}")
    checks.that(len(grounds) == 2, "the dark is another")


if __name__ == "__main__":
    sys.exit(main())
