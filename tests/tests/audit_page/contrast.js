// Run in a copy of the page: which texts stand out from what is behind them by less than 4.5 to 1.
document.querySelectorAll("details").forEach(details => (details.open = true));

const channel = value => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
const luminance = ([r, g, b]) =>
    0.2126 * channel(r / 255) + 0.7152 * channel(g / 255) + 0.0722 * channel(b / 255);
const contrast = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
};
// What can be seen through is no colour to stand on.
const colour = text => {
    const parts = (text.match(/[\d.]+/g) || []).map(Number);
    return parts.length < 3 || parts[3] === 0 ? null : parts.slice(0, 3);
};
const behind = element => {
    const shape = element.closest("svg") && element.parentElement.querySelector(":scope > rect, :scope > circle");
    const fill = shape && colour(getComputedStyle(shape).fill);
    if (fill) return fill;
    for (let above = element; above; above = above.parentElement) {
        const found = colour(getComputedStyle(above).backgroundColor);
        if (found) return found;
    }
    return [255, 255, 255];
};

const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const pairs = new Map();
while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || element.closest("script, title, desc")) continue;
    const style = getComputedStyle(element);
    const ink = colour(element.closest("svg") ? style.fill : style.color);
    pairs.set(`${ink} on ${behind(element)}`, [ink, behind(element), element.outerHTML.slice(0, 80)]);
}

const faint = [...pairs].filter(([, [ink, paper]]) => contrast(ink, paper) < 4.5);
const scheme = luminance(behind(document.body)) < 0.5 ? "dark" : "light";
if (pairs.size < 8) return `only ${pairs.size} pairs`;
if (faint.length) return faint.map(([pair, [, , where]]) => `${pair} in ${where}`).join("; ");
return `${scheme}, all can be read`;
