// Keeps the front page current without a reload, so that reading and scrolling are not disturbed.
const regions = document.querySelectorAll("[data-refresh]");
const freshness = document.getElementById("freshness");
async function refresh() {
  try {
    const answer = await fetch(location.href, { headers: { "X-Requested-With": "refresh" }, cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const region of regions) {
      const next = page.getElementById(region.id);
      if (next && next.innerHTML !== region.innerHTML) region.innerHTML = next.innerHTML;
    }
    freshness.textContent = "";
  } catch {
    freshness.textContent = "Tarmac does not answer: what you see may be old.";
  }
}
if (regions.length) setInterval(refresh, 5000);
