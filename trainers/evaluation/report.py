"""Report figures as a table on the terminal, a picture and a JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

MEASURE = {1: "mpjpe", 2: "p_mpjpe", 3: "n_mpjpe"}  # by protocol
HEADERS = ("mm:", "MPJPE", "P-MPJPE", "N-MPJPE", "MPJVE", "accel", "PCK150", "AUC", "joints")


def write(figures: dict[str, Any], out: Path, protocol: int) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_text(json.dumps(figures, indent=1, default=float) + "\n")
    (out / "actions.md").write_text(by_action(figures["actions"]))
    show(figures, Console(width=110), MEASURE[protocol])
    plot(figures, out / "report.png", MEASURE[protocol])
    print(f"{out}/report.json, {out}/report.png, {out}/actions.md")


def by_action(actions: dict[str, dict[str, float]]) -> str:
    """Laid out as in the papers: a protocol a row, an action a column, then their mean."""
    there = {name.capitalize(): row for name, row in actions.items() if row["joints"]}
    lines = [["mm", *there, "Avg."], ["---"] * (len(there) + 2)]
    for protocol, measure in MEASURE.items():
        values = [row[measure] for row in there.values()]
        mean = sum(values) / max(len(values), 1)
        lines.append([f"Protocol {protocol}", *(f"{v:.1f}" for v in (*values, mean))])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def show(figures: dict[str, Any], console: Console, measure: str) -> None:
    table = Table(*HEADERS, box=box.SIMPLE)
    for name, row in figures["parts"].items():
        if row["joints"]:
            table.add_row(name, *_row(row))
    for picture, parts in figures["pictures"].items():
        for name, row in parts["parts"].items():
            if row["joints"]:
                table.add_row(f"{name}, {picture}", *_row(row))
    console.print(table)
    rows = [row for row in figures["actions"].values() if row["joints"]]
    average = np.mean([row[measure] for row in rows]) if rows else 0.0  # the papers average over actions
    console.print(
        f"actions ({measure}, mm): {_listed(figures['actions'], measure)}; mean {average:.1f}", highlight=False
    )
    for title, parts in figures["conditions"].items():
        told = "; ".join(f"{part}: {_listed(words, measure)}" for part, words in parts.items())
        console.print(f"{title} ({measure} of limbs, mm), {told}", highlight=False)
    console.print("after a reset (mm):", ", ".join(f"{n} frames {v:.1f}" for n, v in figures["after reset"].items()))
    console.print(f"left and right exchanged: {figures['sides exchanged']:.1%} of frames", highlight=False)
    for name, shares in figures["coverage"].items():
        if shares:
            console.print(f"sigma, {name}: {shares['1.0']:.1%} within 1, {shares['1.96']:.1%} within 1.96")
    if "boards" in figures:
        flags = figures["boards"]["flags"]
        console.print("flags on boards:", ", ".join(f"{k} {v:.3f}" for k, v in flags.items()), highlight=False)
        for name, row in figures["boards"]["parts"].items():
            if row["joints"]:
                console.print(f"boards, {name}: {row['p_mpjpe']:.1f} mm from the run without boards, aligned")


def _listed(rows: dict[str, dict[str, float]], measure: str) -> str:
    return ", ".join(f"{name} {row[measure]:.1f}" for name, row in rows.items() if row["joints"]) or "none"


def _row(row: dict[str, float]) -> list[str]:
    lengths = [f"{row[k]:.1f}" for k in ("mpjpe", "p_mpjpe", "n_mpjpe", "mpjve", "acceleration")]
    return [*lengths, f"{row['pck150']:.1%}", f"{row['auc']:.1%}", f"{row['joints']:.0f}"]


def plot(figures: dict[str, Any], path: Path, measure: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(15, 4.5))
    for axis, name in zip(axes, ("parts", "joints")):
        rows = {k: v for k, v in figures[name].items() if v["joints"]}
        axis.barh(list(rows), [v[measure] for v in rows.values()])
        axis.set(xlabel=f"{measure}, mm", title=name)
        axis.invert_yaxis()
    seen = figures["after reset"]
    axes[2].plot([int(n) for n in seen], list(seen.values()), "o-")
    axes[2].set(xscale="log", xlabel="frames since a reset", ylabel="mpjpe of limbs, mm", title="after a reset", ylim=0)
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    plt.close(figure)
