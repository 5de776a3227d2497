//! A file of cases, as text: what was typed, what came back, and which files changed.

/// The cases of one verb.
#[derive(Debug)]
pub struct Transcript {
    head: String,
    /// In the order of the file.
    pub cases: Vec<Case>,
}

/// Commands that are run one after another in a scene of their own.
#[derive(Debug, Default)]
pub struct Case {
    title: String,
    /// The name of a script that prepares what is there before.
    pub scene: String,
    /// What is typed, each for a shell.
    pub commands: Vec<String>,
}

impl Transcript {
    /// Reads the titles, scenes and commands; all else is what came back.
    pub fn parse(text: &str) -> Self {
        let (head, rest) = text.split_once("\n## ").expect("a title");
        Self { head: head.to_owned(), cases: rest.split("\n## ").map(Case::parse).collect() }
    }

    /// The same file, with what came back this time.
    pub fn render<'a>(&self, outcomes: impl IntoIterator<Item = &'a [String]>) -> String {
        let cases = self.cases.iter().zip(outcomes).map(|(case, outcomes)| case.render(outcomes));
        format!("{}{}", self.head, cases.collect::<String>())
    }
}

impl Case {
    fn parse(text: &str) -> Self {
        let mut lines = text.lines();
        let title = lines.next().unwrap_or_default().to_owned();
        let scene = lines.next().and_then(|line| line.strip_prefix("in ")).expect("a scene").to_owned();
        let commands = lines.filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned).collect();
        Self { title, scene, commands }
    }

    fn render(&self, outcomes: &[String]) -> String {
        let steps = self.commands.iter().zip(outcomes);
        let steps: String = steps.map(|(command, outcome)| format!("\n$ {command}\n{outcome}")).collect();
        format!("\n## {}\nin {}\n{steps}", self.title, self.scene)
    }
}

/// Each run of a program in a file of cases: its words up to the first flag, and the exit status.
pub fn runs(text: &str, program: &str) -> Vec<(String, i32)> {
    let mut runs = Vec::new();
    let mut typed = None;
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            typed = command.rsplit_once(&format!("{program} ")).map(|(_, words)| words.to_owned());
        } else if let Some(status) = line.strip_prefix("exit ") {
            runs.extend(typed.take().map(|words| (words, status.parse().expect("an exit status"))));
        }
    }
    runs
}
