// Runs PixelMed's structured report validator on many files: compiling its style sheet takes most of the
// time, so it is done once. Prints each file's name and what the validator says about it.
//
// java -Xss16m -Djdk.xml.xpath{TotalOp,ExprOp,ExprGrp}Limit=0 -cp pixelmed.jar PixelMed.java FILE...

import com.pixelmed.dicom.AttributeList;
import com.pixelmed.validate.DicomSRValidator;

public class PixelMed {
    public static void main(String[] files) throws Exception {
        DicomSRValidator validator = new DicomSRValidator();
        for (String file : files) {
            System.out.println("### " + file);
            AttributeList list = new AttributeList();
            list.read(file);
            boolean describe = false, matchCase = false, ambiguous = false, order = true, templates = true;
            System.out.println(validator.validate(list, describe, matchCase, ambiguous, order, templates));
        }
    }
}
