use super::values::{decimal, parse_padding};

#[test]
fn padding_is_four_percentages() {
    assert_eq!(parse_padding("0,0,0,0"), Ok([0.0; 4]));
    assert_eq!(parse_padding(" 10, 2.5,0 ,100"), Ok([10.0, 2.5, 0.0, 100.0]));
    for wrong in ["", "1,2,3", "1,2,3,4,5", "a,0,0,0", "-1,0,0,0", "101,0,0,0", "nan,0,0,0"] {
        assert!(parse_padding(wrong).unwrap_err().contains("top,right,bottom,left"), "{wrong}");
    }
}

#[test]
fn numbers_read_back_as_written() {
    for v in [0.0, 0.05, 0.3, 0.123456, 1.0] {
        assert_eq!(decimal(v as f32), v);
    }
}
