//! Tables of what is taken and what is refused, and properties over every cut.

mod body;
mod request;
mod response;
mod write;
