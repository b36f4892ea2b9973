// Runs PixelMed's validators on many files: compiling a style sheet takes most of the time, so it is done
// once. Structured reports are held against their templates, all others against their modules. Prints each
// file's name and what the validator says about it.
//
// java -Xss16m -Djdk.xml.xpath{TotalOp,ExprOp,ExprGrp}Limit=0 -cp pixelmed.jar PixelMed.java FILE...

import com.pixelmed.dicom.AttributeList;
import com.pixelmed.dicom.Attribute;
import com.pixelmed.dicom.TagFromName;
import com.pixelmed.validate.DicomInstanceValidator;
import com.pixelmed.validate.DicomSRValidator;

public class PixelMed {
    public static void main(String[] files) throws Exception {
        DicomSRValidator reports = null;
        DicomInstanceValidator others = null;
        for (String file : files) {
            System.out.println("### " + file);
            AttributeList list = new AttributeList();
            list.read(file);
            if (Attribute.getSingleStringValueOrEmptyString(list, TagFromName.Modality).equals("SR")) {
                if (reports == null) reports = new DicomSRValidator();
                boolean describe = false, matchCase = false, ambiguous = false, order = true, templates = true;
                System.out.println(reports.validate(list, describe, matchCase, ambiguous, order, templates));
            } else {
                if (others == null) others = new DicomInstanceValidator();
                System.out.println(others.validate(list));
            }
        }
    }
}
