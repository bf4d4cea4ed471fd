"""Draws docs/burst.svg from docs/burst.csv, which `cargo bench -p simulator --bench burst` leaves in target/."""

import csv
import pathlib

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402  (after the backend is chosen)

HERE = pathlib.Path(__file__).parent
PANELS = [
    ("all_draining_s", "seconds until all are DRAINING"),
    ("release_after_stopped_s", "seconds from the last STOPPED\nto the last release"),
    ("calls_a_host", "AWS calls a host"),
]
STYLES = {"batches": ("#0072b2", "o", "batches of a hundred, and reconcile"), "per host": ("#d55e00", "s", "one host per invocation")}


def main():
    with open(HERE / "burst.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    plt.rcParams["svg.hashsalt"] = "burst"
    figure, axes = plt.subplots(1, len(PANELS), figsize=(11, 3.4), layout="constrained")
    for axis, (column, title) in zip(axes, PANELS):
        for mode, (colour, marker, label) in STYLES.items():
            points = [(int(row["hosts"]), float(row[column])) for row in rows if row["mode"] == mode and row[column]]
            axis.plot(*zip(*points), color=colour, marker=marker, label=label)
        axis.set(xscale="log", xlabel="hosts in one second", title=title)
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize="small", loc="upper left")
    figure.savefig(HERE / "burst.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
