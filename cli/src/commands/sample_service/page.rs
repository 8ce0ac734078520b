//! What the sample service shows of itself: for browsers, for terminals, for Prometheus.

use super::service::Service;

/// The page for a browser: no script, nothing loaded from elsewhere.
pub(super) fn html(service: &Service) -> String {
    let rows: String =
        facts(service).iter().map(|(name, value)| format!("<dt>{name}</dt><dd>{}</dd>", escape(value))).collect();
    let (word, class) = mood(service);
    let motd = escape(&service.motd());
    let name = escape(&service.name);
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{name}</title><style>\
         body{{font:16px/1.5 system-ui,sans-serif;max-width:38rem;margin:12vh auto;padding:0 1.5rem;\
         color:#1d2733;background:#f6f7f9}}h1{{margin:0}}\
         .mood{{display:inline-block;padding:.1rem .7rem;border-radius:1rem;color:#fff;font-size:.85rem}}\
         .good{{background:#1a7f4b}}.bad{{background:#b3261e}}\
         blockquote{{margin:1.5rem 0;padding:.8rem 1.2rem;background:#fff;border-left:4px solid #3b6fd4;white-space:pre-wrap}}\
         dl{{display:grid;grid-template-columns:8rem 1fr;gap:.2rem 1rem}}dt{{color:#6b7683}}dd{{margin:0}}\
         a{{color:#3b6fd4;margin-right:1rem}}</style></head><body>\
         <h1>{name}</h1><p><span class=\"mood {class}\">{word}</span></p><blockquote>{motd}</blockquote>\
         <dl>{rows}</dl><p><a href=\"/health\">/health</a><a href=\"/ready\">/ready</a>\
         <a href=\"/metrics\">/metrics</a><a href=\"/ping\">/ping</a></p></body></html>\n"
    )
}

/// The same for a terminal.
pub(super) fn text(service: &Service) -> String {
    let mut text = format!("{} is {}\n", service.name, mood(service).0);
    let motd = service.motd();
    if !motd.is_empty() {
        text.push_str(&format!("\n  {}\n\n", motd.replace('\n', "\n  ")));
    }
    for (name, value) in facts(service) {
        text.push_str(&format!("{name:<9} {value}\n"));
    }
    text
}

/// The Prometheus text format.
pub(super) fn metrics(service: &Service) -> String {
    let label = service.name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let mut text = String::new();
    let mut one = |name: &str, kind: &str, help: &str, value: String| {
        text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n{name}{{service=\"{label}\"}} {value}\n"));
    };
    let bit = |is: bool| u8::from(is).to_string();
    one("sample_requests_total", "counter", "Requests, real and made up", service.requests().to_string());
    one("sample_errors_total", "counter", "Requests that failed", service.errors().to_string());
    one("sample_healthy", "gauge", "1 while it is healthy", bit(service.unhealthy().is_none()));
    one("sample_ready", "gauge", "1 since it is ready", bit(service.is_ready()));
    one("sample_uptime_seconds", "gauge", "Time since the start", service.started.elapsed().as_secs().to_string());
    text
}

fn facts(service: &Service) -> [(&'static str, String); 4] {
    let up = service.started.elapsed().as_secs();
    let (hours, minutes, seconds) = (up / 3600, up / 60 % 60, up % 60);
    [
        ("process", std::process::id().to_string()),
        ("up for", format!("{hours}:{minutes:02}:{seconds:02}")),
        ("requests", service.requests().to_string()),
        ("errors", service.errors().to_string()),
    ]
}

fn mood(service: &Service) -> (&'static str, &'static str) {
    match service.unhealthy() {
        None => ("healthy", "good"),
        Some(why) => (why, "bad"),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_escaped_in_the_page_and_in_labels() {
        let service = Service::new("<b>\"x\"", None, 0.0);
        assert!(html(&service).contains("<h1>&lt;b&gt;&quot;x&quot;</h1>"));
        assert!(metrics(&service).contains("sample_requests_total{service=\"<b>\\\"x\\\"\"} 0\n"));
    }
}
