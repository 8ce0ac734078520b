//! Standard input and the terminal (systemd.exec(5), "Logging and standard input/output").

use crate::spec::keyword::keywords;

/// Where input comes from, and the terminal if there is one; what is `None` or empty was not given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamSpec {
    /// `StandardInput=`
    pub input: Input,
    /// `StandardInputText=` and `StandardInputData=`: the bytes of `StandardInput=data`.
    pub input_data: Vec<u8>,
    /// `TTYPath=`
    pub tty_path: Option<String>,
    /// `TTYReset=`
    pub tty_reset: bool,
    /// `TTYVHangup=`
    pub tty_hangup: bool,
    /// `TTYVTDisallocate=`
    pub tty_disallocate: bool,
    /// `TTYRows=`
    pub tty_rows: Option<u32>,
    /// `TTYColumns=`
    pub tty_columns: Option<u32>,
    /// `PAMName=`
    pub pam_name: Option<String>,
    /// `UtmpIdentifier=`
    pub utmp_identifier: Option<String>,
    /// `UtmpMode=`
    pub utmp_mode: UtmpMode,
}

/// `StandardInput=`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Input {
    /// `null`
    #[default]
    Null,
    /// `tty`, `tty-force` or `tty-fail`.
    Terminal(TerminalClaim),
    /// `data`
    Data,
    /// `file:PATH`
    File(String),
    /// `socket`
    Socket,
    /// `fd[:NAME]`
    Descriptor(Option<String>),
}

keywords! {
    /// How the terminal is taken.
    TerminalClaim { Wait = "tty", Force = "tty-force", Fail = "tty-fail" }

    /// `UtmpMode=`
    UtmpMode { Init = "init", Login = "login", User = "user" }
}
