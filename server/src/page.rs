pub(crate) struct TruthTable;
pub(crate) fn page(
    _: &engine::Report,
    _: Option<&TruthTable>,
    _: &[(usize, String)],
    _: &[String],
) -> String {
    String::new()
}
