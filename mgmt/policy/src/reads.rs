//! What a route's policies look at, read off their syntax.
//!
//! Cedar is asked about what policies can see and nothing else: an attribute that no policy
//! mentions is neither in the context nor in the cache key. Most policies never look at the user,
//! the model or the scores, so that one cached decision serves them all. Where the syntax leaves a
//! doubt (`context` used as a whole, an operator that this file does not know), everything counts
//! as read. Were something read and overlooked all the same, Cedar would miss the attribute, the
//! policy would err, and an error blocks.

use crate::cuts::{Comparison, Cuts};
use crate::field::{Field, Number};
use cedar_policy::pst::{
    BinaryOp, Clause, Expr, Literal, PrincipalConstraint, ResourceConstraint, SmolStr, Template,
    Var,
};

/// What policies look at.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Reads {
    /// [`Field::bit`]s.
    fields: u16,
    /// By [`Number::index`].
    numbers: [Cuts; Number::ALL],
}

impl Reads {
    /// What `policy` looks at.
    pub(crate) fn of(policy: &Template) -> Reads {
        let mut reads = Reads::default();
        if policy.principal != PrincipalConstraint::Any {
            reads.read(Field::Principal);
        }
        // A question's action fixes the type of its resource.
        if !matches!(policy.resource, ResourceConstraint::Any | ResourceConstraint::Is(_)) {
            reads.read(Field::Resource);
        }
        for clause in policy.clauses() {
            let (Clause::When(expr) | Clause::Unless(expr)) = clause;
            reads.walk(expr);
        }
        reads
    }

    /// Everything.
    pub(crate) fn all() -> Reads {
        Reads { fields: u16::MAX, numbers: [const { Cuts::Exact }; Number::ALL] }
    }

    /// Takes up all that `other` has.
    pub(crate) fn merge(&mut self, other: &Reads) {
        self.fields |= other.fields;
        for (mine, theirs) in self.numbers.iter_mut().zip(&other.numbers) {
            mine.merge(theirs);
        }
    }

    /// What of it matters to questions about a class: their resource is the class, which is always
    /// known.
    pub(crate) fn of_class(&self) -> Reads {
        Reads { fields: self.fields & !Field::Resource.bit(), ..self.clone() }
    }

    /// Whether `field` is read.
    #[inline]
    pub(crate) const fn has(&self, field: Field) -> bool {
        self.fields & field.bit() != 0
    }

    /// How finely `number` is read.
    #[inline]
    pub(crate) fn cuts(&self, number: Number) -> &Cuts {
        self.numbers.get(number.index()).unwrap_or(&Cuts::Exact)
    }

    /// How finely each score is read, in the order of their numbers.
    #[inline]
    pub(crate) fn scores(&self) -> impl Iterator<Item = &Cuts> {
        self.numbers.iter().skip(Number::PLAIN.len())
    }

    /// Whether any score is read.
    pub(crate) fn any_score(&self) -> bool {
        self.scores().any(Cuts::is_read)
    }

    /// Whether the principal's names decide anything.
    #[inline]
    pub(crate) const fn names_principal(&self) -> bool {
        self.has(Field::Principal) || self.has(Field::UseCase)
    }

    /// Whether the model's name decides anything.
    #[inline]
    pub(crate) const fn names_model(&self) -> bool {
        self.has(Field::Resource) || self.has(Field::Model)
    }

    fn read(&mut self, field: Field) {
        self.fields |= field.bit();
    }

    /// Takes up a use of the attribute at `path` below `context` other than a comparison.
    fn read_path(&mut self, path: &[&str]) {
        if let Some(cuts) = Number::at(path).and_then(|number| self.numbers.get_mut(number.index()))
        {
            cuts.use_exactly();
        } else if let Some(field) = Field::at(path) {
            self.read(field);
        } else {
            // The context or the scores as a whole, or a path that this file does not know.
            for field in Field::ATTRIBUTES {
                self.read(field);
            }
            self.numbers.iter_mut().for_each(Cuts::use_exactly);
        }
    }

    fn walk(&mut self, expr: &Expr) {
        if let Some((number, comparison, literal)) = comparison(expr) {
            if let Some(cuts) = self.numbers.get_mut(number.index()) {
                cuts.compare(comparison, literal);
            }
            return;
        }
        if let Some(path) = context_path(expr) {
            return self.read_path(&path);
        }
        match expr {
            Expr::Var(Var::Principal) => self.read(Field::Principal),
            Expr::Var(Var::Resource) => self.read(Field::Resource),
            Expr::HasAttr { expr: of, attrs } => match context_path(of) {
                Some(mut path) => {
                    path.extend(attrs.iter().map(SmolStr::as_str));
                    self.read_path(&path);
                }
                None => self.walk(of),
            },
            _ => match children(expr) {
                Some(children) => children.into_iter().for_each(|child| self.walk(child)),
                None => self.merge(&Reads::all()),
            },
        }
    }
}

/// The attribute path of `context.a.b`; empty for `context` itself.
pub(crate) fn context_path(expr: &Expr) -> Option<Vec<&str>> {
    match expr {
        Expr::Var(Var::Context) => Some(Vec::new()),
        Expr::GetAttr { expr, attr } => {
            let mut path = context_path(expr)?;
            path.push(attr.as_str());
            Some(path)
        }
        _ => None,
    }
}

/// `expr` as a comparison of a number in the context with a literal.
pub(crate) fn comparison(expr: &Expr) -> Option<(Number, Comparison, i64)> {
    let Expr::BinaryOp { op, left, right } = expr else { return None };
    let number = |expr: &Expr| context_path(expr).and_then(|path| Number::at(&path));
    if let (Some(number), Expr::Literal(Literal::Long(literal))) = (number(left), &**right) {
        let comparison = match op {
            BinaryOp::Less | BinaryOp::GreaterEq => Comparison::AtLeast,
            BinaryOp::LessEq | BinaryOp::Greater => Comparison::Above,
            BinaryOp::Eq | BinaryOp::NotEq => Comparison::Equal,
            _ => return None,
        };
        return Some((number, comparison, *literal));
    }
    if let (Expr::Literal(Literal::Long(literal)), Some(number)) = (&**left, number(right)) {
        // `3 < n` is `n > 3`, `3 <= n` is `n >= 3`, and so on.
        let comparison = match op {
            BinaryOp::Greater | BinaryOp::LessEq => Comparison::AtLeast,
            BinaryOp::GreaterEq | BinaryOp::Less => Comparison::Above,
            BinaryOp::Eq | BinaryOp::NotEq => Comparison::Equal,
            _ => return None,
        };
        return Some((number, comparison, *literal));
    }
    None
}

/// The parts of `expr`; `None` where it is of a kind that this file does not know.
pub(crate) fn children(expr: &Expr) -> Option<Vec<&Expr>> {
    Some(match expr {
        Expr::Literal(_) | Expr::Var(_) | Expr::Slot(_) => Vec::new(),
        Expr::UnaryOp { expr, .. }
        | Expr::GetAttr { expr, .. }
        | Expr::HasAttr { expr, .. }
        | Expr::Like { expr, .. } => vec![&**expr],
        Expr::BinaryOp { left, right, .. } => vec![&**left, &**right],
        Expr::Is { expr, in_expr, .. } => {
            std::iter::once(&**expr).chain(in_expr.as_deref()).collect()
        }
        Expr::IfThenElse { cond, then_expr, else_expr } => {
            vec![&**cond, &**then_expr, &**else_expr]
        }
        Expr::Set(parts) => parts.iter().map(|part| &**part).collect(),
        Expr::Record(parts) => parts.values().map(|part| &**part).collect(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use cedar_policy::Policy;
    use sluice_contract::facts::Score;

    fn reads(text: &str) -> Reads {
        Reads::of(Policy::parse(None, text).unwrap().to_pst().unwrap().body())
    }

    fn reads_when(condition: &str) -> Reads {
        reads(&format!("forbid (principal, action, resource) when {{ {condition} }};"))
    }

    #[test]
    fn scopes_are_read() {
        assert_eq!(reads("permit (principal, action, resource is Model);"), Reads::default());
        assert!(reads("permit (principal is User, action, resource);").names_principal());
        assert!(reads("permit (principal, action, resource in Target::\"x\");").names_model());
        let class = reads("permit (principal, action, resource in Class::\"x\");").of_class();
        assert_eq!(class, Reads::default());
    }

    #[test]
    fn comparisons_with_literals_become_cuts() {
        let risk = |condition: &str| reads_when(condition).cuts(Number::Score(Score::Risk)).clone();
        for (condition, cuts) in [
            ("context.scores.risk >= 90", vec![90]),
            ("context.scores.risk < 90", vec![90]),
            ("context.scores.risk > 90", vec![91]),
            ("context.scores.risk <= 90", vec![91]),
            ("context.scores.risk == 90", vec![90, 91]),
            ("90 > context.scores.risk", vec![90]),
            ("90 >= context.scores.risk", vec![91]),
            ("90 < context.scores.risk", vec![91]),
            ("90 <= context.scores.risk", vec![90]),
            ("90 != context.scores.risk", vec![90, 91]),
            ("context.scores.risk > -2", vec![]),
        ] {
            assert_eq!(risk(condition), Cuts::At(cuts), "{condition}");
        }
        assert_eq!(risk("context.scores.risk + 1 > 90"), Cuts::Exact);
        assert_eq!(risk("context.scores.risk > context.texts"), Cuts::Exact);
        assert_eq!(risk("context.scores == context.scores"), Cuts::Exact);
        assert_eq!(risk("context.scores has risk"), Cuts::Exact);
        assert_eq!(risk("context.scores.toxicity > 3"), Cuts::Unread);
    }

    #[test]
    fn the_context_as_a_whole_is_everything_in_it() {
        for condition in
            ["context == context", "[context].contains(context)", "context has nothing"]
        {
            let read = reads_when(condition);
            assert!(Field::ATTRIBUTES.into_iter().all(|field| read.has(field)), "{condition}");
            assert!(read.scores().all(|cuts| *cuts == Cuts::Exact), "{condition}");
            assert!(!read.has(Field::Principal) && !read.has(Field::Resource), "{condition}");
        }
    }

    #[test]
    fn variables_are_read_wherever_they_stand() {
        assert!(reads_when("if principal is User then true else false").has(Field::Principal));
        assert!(reads_when("[resource] == [resource]").has(Field::Resource));
        assert!(reads_when("{a: principal} == {a: principal}").has(Field::Principal));
        assert!(reads_when("context.target.trust like \"e*\"").has(Field::Target));
        assert!(!reads_when("context.route == \"principal\"").has(Field::Principal));
    }
}
