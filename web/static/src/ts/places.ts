// On a narrow window the line of places is longer than the window: the place one is at is brought into sight.
document.querySelector(".places [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
